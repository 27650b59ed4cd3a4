/**
 * Batches on every device against the packed and the sparse form, bit for bit, on random shapes; and the dispatcher, whose paths must
 * not differ in anything but time.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { createRandom, type Device, referenceDevice, tensor, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { openCuda } from '../../../plugins/cuda/mod.ts'
import { packedTrits, sparseTrits, tritBatch, type PackedTritVec } from '../../../plugins/ternary/mod.ts'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { DIMENSIONS } from './_plain.ts'
import { thrown } from './_thrown.ts'

const DEVICES: readonly (readonly [string, () => Device])[] = [
  ['the reference', () => referenceDevice],
  ['the CPU', () => openCpu({ threads: 2 })],
  ['WebAssembly', () => openWasm({ threads: 1 })],
  ['emulated CUDA', () => openCuda({ emulated: true })],
]

describe.each(DEVICES)('batches on %s', (name, open) => {
  const device = open()
  const before = device.memory().live
  const shapes = createRandom(21, name)
  // The reference walks trit by trit, so there the largest size has few rows.
  const sizes = [...DIMENSIONS, ...Array.from({ length: 6 }, () => 1 + shapes.int(3000))]

  test.each(sizes)('of %i dimensions are the packed and the sparse vectors', (dims) => {
    using _scope = tensorScope()
    const rows = dims > 10_000 ? 2 : 2 + shapes.int(5)
    const draw = (stream: string, count: number): PackedTritVec[] =>
      Array.from({ length: count }, (_, seed) =>
        packedTrits.random({ dims, seed, stream, density: [2 / 3, 0.1, 1][seed % 3] }),
      )
    const [x, y, [key]] = [draw('x', rows), draw('y', rows), draw('key', 1)]
    const [a, b, one] = [x, y, [key]].map((vectors) => tritBatch.of(vectors, { device }))
    const same = (got: readonly PackedTritVec[], want: readonly PackedTritVec[]): void => {
      expect(got.length).toBe(want.length)
      for (const [i, vector] of got.entries()) expectSamePlanes(vector, want[i])
    }
    for (const op of ['bind', 'unbind', 'product'] as const) {
      const want = x.map((vector, i) => packedTrits[op](vector, y[i]))
      same(tritBatch.vectors(tritBatch[op](a, b)), want)
      same(
        tritBatch.vectors(tritBatch[op](a, one)),
        x.map((vector) => packedTrits[op](vector, key)),
      )
      const sparse = x.map((vector, i) => sparseTrits[op](sparseTrits.from(vector), sparseTrits.from(y[i])))
      same(
        sparse.map((vector) => packedTrits.from(vector)),
        want,
      )
    }
    same(tritBatch.vectors(tritBatch.unbind(tritBatch.bind(a, b), b)), x)
    same(tritBatch.vectors(tritBatch.negate(a)), x.map(packedTrits.negate))
    for (const shift of [1, -1, 33, dims - 1, 2 ** 35])
      same(
        tritBatch.vectors(tritBatch.permute(a, shift)),
        x.map((vector) => packedTrits.permute(vector, shift)),
      )
    same(tritBatch.vectors(tritBatch.bundle(a)), [packedTrits.bundle(x)])
    same(tritBatch.vectors(tritBatch.bundle(a, { count: 1 })), x)
    const weights = x.map((_, i) => Math.fround([0.1, -2.5, 3e-8, 1][i % 4] * (1 + i)))
    same(tritBatch.vectors(tritBatch.bundle(a, { weights })), [packedTrits.weightedBundle(x, weights)])
    expect([...tritBatch.dots(a, b)]).toEqual(x.flatMap((v) => y.map((w) => packedTrits.dot(v, w))))
    expect([...tritBatch.hamming(a, b)]).toEqual(x.flatMap((v) => y.map((w) => packedTrits.hamming(v, w))))
    expect([...tritBatch.cosines(a, b)]).toEqual(x.flatMap((v) => y.map((w) => packedTrits.cosine(v, w))))
    expect([...tritBatch.nonzeros(a)]).toEqual(x.map((v) => dims - packedTrits.counts(v).zero))
  })

  test('sums of weights round in the order of the rows', () => {
    using _scope = tensorScope()
    const ones = Array.from({ length: 4 }, () => packedTrits.fromArray([1, 1]))
    // 2²⁴ + 1 − 2²⁴ is 0 in f32, 2²⁴ − 2²⁴ + 1 is 1.
    for (const weights of [
      [2 ** 24, 1, -(2 ** 24), 0],
      [2 ** 24, -(2 ** 24), 1, 0],
    ]) {
      const [got] = tritBatch.vectors(tritBatch.bundle(tritBatch.of(ones, { device }), { weights }))
      expectSamePlanes(got, packedTrits.weightedBundle(ones, weights))
    }
  })

  test('refuses what does not fit', () => {
    using _scope = tensorScope()
    const [a, b] = [40, 41].map((dims) =>
      tritBatch.of(
        [1, 2, 3].map((seed) => packedTrits.random({ dims, seed })),
        { device },
      ),
    )
    const two = tritBatch.of([packedTrits.zeros(40), packedTrits.zeros(40)], { device })
    for (const work of [
      () => tritBatch.bind(a, b),
      () => tritBatch.dots(a, b),
      () => tritBatch.bind(a, two),
      () => tritBatch.bundle(a, { count: 2 }),
      () => tritBatch.bundle(a, { weights: [1] }),
      () => tritBatch.of([]),
      () => tritBatch.of([packedTrits.zeros(5), packedTrits.zeros(6)]),
      () => tritBatch.wrap(a.planes, 70),
    ])
      expect(thrown(work)).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => tritBatch.bundle(a, { weights: [1, NaN, 1] }))).toMatchObject({ code: 'E_VALUE' })
    expect(thrown(() => tritBatch.permute(a, 0.5))).toMatchObject({ code: 'E_VALUE' })
    const floats = tensor([1, 2], { shape: [1, 2, 1], device })
    expect(thrown(() => tritBatch.wrap(floats, 5))).toMatchObject({ code: 'E_DTYPE' })
    const broken = tensor([1, 1], { shape: [1, 2, 1], dtype: 'i32', device })
    expect(thrown(() => tritBatch.vectors(tritBatch.wrap(broken, 5)))).toMatchObject({
      code: 'E_VALUE',
      what: expect.stringContaining('row 0: dimension 0 is set in both planes'),
    })
  })

  afterAll(() => expect(device.memory().live).toBe(before))
})

function expectSamePlanes(got: PackedTritVec, want: PackedTritVec): void {
  const differ = (a: Uint32Array, b: Uint32Array): number => a.findIndex((word, w) => word !== b[w])
  expect([got.dims, differ(got.plus, want.plus), differ(got.minus, want.minus)]).toEqual([want.dims, -1, -1])
}
