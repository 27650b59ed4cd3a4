/**
 * The dispatcher of work on trit vectors: where it sends what, that no path has another result, and calibrations that are none.
 */
import { describe, expect, test } from 'bun:test'
import { referenceDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { openCuda } from '../../../plugins/cuda/mod.ts'
import {
  calibrateTrits,
  createTritDispatch,
  packedTrits,
  readTritCalibration,
  sparseTrits,
  type TritCalibration,
  type TritResult,
  type TritVec,
  type TritWork,
} from '../../../plugins/ternary/mod.ts'
import { thrown } from './_thrown.ts'

const cpu = openCpu({ threads: 2 })
const gpu = openCuda({ emulated: true })

/** A call costs 1 µs, 1 µs, 10 µs and 100 µs; a unit 10, 10, 1 and 0.1 ns. */
const costs = {
  sparse: { call: 1e-6, unit: 1e-8 },
  dense: { call: 1e-6, unit: 1e-8 },
  batch: { call: 1e-5, unit: 1e-9 },
  gpu: { call: 1e-4, unit: 1e-10 },
}
const calibration: TritCalibration = {
  version: 1,
  machine: 'made up',
  costs: { combine: costs, bundle: costs, similarity: costs },
}
const dispatch = createTritDispatch({ calibration, device: cpu, gpu })

const packed = (dims: number, count = 1): TritVec[] =>
  Array.from({ length: count }, (_, seed) => packedTrits.random({ dims, seed }))
const sparse = (dims: number, count = 1): TritVec[] =>
  Array.from({ length: count }, (_, seed) => sparseTrits.random({ dims, seed, density: 0.001 }))

describe('explain()', () => {
  const cases: readonly (readonly [string, TritWork, string])[] = [
    ['small vectors', { op: 'bind', a: packed(64), b: packed(64) }, 'dense'],
    ['sparse vectors', { op: 'bind', a: sparse(100_000), b: sparse(100_000) }, 'sparse'],
    ['a sparse and a packed one', { op: 'bind', a: sparse(6400), b: packed(6400) }, 'dense'],
    ['many vectors', { op: 'product', a: packed(1000, 100), b: packed(1000, 100) }, 'batch'],
    ['many pairs', { op: 'dot', a: packed(1000, 200), b: packed(1000, 200) }, 'gpu'],
    ['a large bundle', { op: 'bundle', a: packed(10_000, 20) }, 'batch'],
  ]
  test.each(cases)('%s', (_name, work, path) => {
    const { path: got, why, seconds } = dispatch.explain(work)
    expect(got).toBe(path as typeof got)
    const known = Object.values(seconds).filter((value) => value !== null)
    expect(seconds[got]).toBe(Math.min(...known))
    expect(why).toContain(`of ${work.a[0].dims} dimensions`)
    for (const name of ['sparse', 'dense', 'batch', 'gpu']) expect(why).toContain(name)
  })

  test('without a GPU nothing goes there, and it says so', () => {
    const without = createTritDispatch({ calibration, device: cpu })
    const work: TritWork = { op: 'dot', a: packed(1000, 200), b: packed(1000, 200) }
    expect(without.explain(work)).toMatchObject({ path: 'batch', why: expect.stringContaining('gpu not') })
  })

  test('counts words and places over all pairs', () => {
    const [a, b] = [packed(320, 3), packed(320, 5)]
    const seconds = (work: TritWork): number => dispatch.explain(work).seconds.dense ?? NaN
    expect(seconds({ op: 'dot', a, b })).toBeCloseTo(1e-6 + 1e-8 * 20 * 15, 12)
    expect(seconds({ op: 'bind', a, b: packed(320) })).toBeCloseTo(1e-6 + 1e-8 * 20 * 3, 12)
    expect(seconds({ op: 'bundle', a })).toBeCloseTo(1e-6 + 1e-8 * 30, 12)
    const thin = [sparseTrits.fromIndices({ dims: 320, positive: [1, 2], negative: [7] })]
    expect(dispatch.explain({ op: 'hamming', a: thin, b: thin }).seconds.sparse).toBeCloseTo(
      1e-6 + 1e-8 * 6,
      12,
    )
  })
})

test('every path has the same result', () => {
  const works: readonly TritWork[] = (['bind', 'unbind', 'product'] as const).flatMap((op) => [
    { op, a: sparse(3001, 4), b: sparse(3001, 4).toReversed() },
    { op, a: sparse(3001, 4), b: packed(3001) },
  ])
  const rest: readonly TritWork[] = [
    { op: 'bundle', a: sparse(777, 5) },
    { op: 'dot', a: sparse(777, 5), b: packed(777, 3) },
    { op: 'hamming', a: packed(777, 5), b: sparse(777, 3) },
  ]
  for (const work of [...works, ...rest]) {
    const results = (['sparse', 'dense', 'batch', 'gpu'] as const).map((path) =>
      plainOf(forced(path).dispatch(work)),
    )
    for (const result of results) expect(result).toEqual(results[0])
    expect(plainOf(dispatch.dispatchCpu(work))).toEqual(results[0])
    expect(dispatch.dispatchGpu && plainOf(dispatch.dispatchGpu(work, gpu))).toEqual(results[0])
  }
})

/** A dispatcher that finds one path far the cheapest. */
function forced(path: keyof typeof costs) {
  const dear = Object.fromEntries(
    Object.keys(costs).map((name) => [name, { call: name === path ? 0 : 1, unit: 0 }]),
  )
  const family = { ...costs, ...dear }
  return createTritDispatch({
    calibration: { ...calibration, costs: { combine: family, bundle: family, similarity: family } },
    device: cpu,
    gpu,
  })
}

function plainOf(result: TritResult): number[][] {
  if (result.kind === 'numbers') return [[...result.numbers]]
  return result.vectors.map((vector) => [...packedTrits.toArray(packedTrits.from(vector))])
}

describe('calibrateTrits()', () => {
  test('measures every path that there is, and comes back from JSON', () => {
    // Any device can stand for the GPU; the emulated one is slow, and its times mean nothing.
    const measured = calibrateTrits({ device: cpu, gpu: cpu, seconds: 1e-4 })
    for (const family of Object.values(measured.costs)) {
      expect(Object.keys(family)).toEqual(['sparse', 'dense', 'batch', 'gpu'])
      for (const { call, unit } of Object.values(family)) expect(call + unit).toBeGreaterThan(0)
    }
    expect(measured.machine).toContain(cpu.description)
    expect(readTritCalibration(JSON.parse(JSON.stringify(measured)))).toEqual(measured)
    const { combine } = calibrateTrits({ seconds: 1e-4 }).costs
    expect(Object.keys(combine)).toEqual(['sparse', 'dense'])
    expect(thrown(() => calibrateTrits({ seconds: 0 })).code).toBe('E_VALUE')
  })

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['nothing', null, 'version 1'],
    ['a text', 'x', 'version 1'],
    ['another version', { ...calibration, version: 2 }, 'version 1'],
    ['no costs', { version: 1, machine: 'x' }, 'costs.combine.sparse is missing'],
    [
      'a path without a cost',
      { ...calibration, costs: { ...calibration.costs, bundle: { ...costs, batch: { call: 1 } } } },
      'costs.bundle.batch must have call and unit',
    ],
    [
      'a negative cost',
      { ...calibration, costs: { ...calibration.costs, bundle: { ...costs, dense: { call: -1, unit: 1 } } } },
      'costs.bundle.dense must have',
    ],
  ]
  test.each(wrong)('%s is no calibration', (_name, json, what) => {
    expect(thrown(() => readTritCalibration(json))).toMatchObject({
      code: 'E_FORMAT',
      what: expect.stringContaining(what),
    })
  })
})

test('refuses devices and work that do not fit', () => {
  const { sparse: a, dense: b } = costs
  const unmeasured = { ...calibration, costs: { ...calibration.costs, bundle: { sparse: a, dense: b } } }
  expect(thrown(() => createTritDispatch({ calibration: unmeasured, device: cpu, gpu }))).toMatchObject({
    code: 'E_DEVICE',
  })
  expect(thrown(() => createTritDispatch({ calibration, device: cpu, gpu: referenceDevice }))).toMatchObject({
    code: 'E_DEVICE',
  })
  const works: readonly TritWork[] = [
    { op: 'bind', a: packed(5), b: packed(6) },
    { op: 'bind', a: packed(5, 3), b: packed(5, 2) },
    { op: 'bundle', a: [] },
    { op: 'dot', a: packed(5), b: [] },
  ]
  for (const work of works)
    for (const run of [dispatch.explain, dispatch.dispatch, dispatch.dispatchCpu])
      expect(thrown(() => run(work))).toMatchObject({ code: 'E_SHAPE' })
})
