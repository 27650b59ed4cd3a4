/**
 * createBitlinear and its functions: a packed layer for inference, its sizes, and what it refuses.
 */
import { describe, expect, test } from 'bun:test'
import { countLiveTensors, createRandom, tensor, tensorScope, useDevice } from '../../../core/mod.ts'
import {
  bitlinearCompressionRatio,
  bitlinearForward,
  bitlinearInFeatures,
  type BitlinearLayer,
  type BitlinearOptions,
  bitlinearOutFeatures,
  bitlinearSparsity,
  createBitlinear,
  quantizeWeightsAbsmean,
} from '../../../plugins/accel/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { relativeError } from '../../_golden.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'

const [OUT, IN] = [12, 128]

function numbers(length: number, seed: number): Float32Array {
  const random = createRandom(seed)
  return Float32Array.from({ length }, () => random.normal())
}

const WEIGHT = { data: numbers(OUT * IN, 31), shape: [OUT, IN] }
const X = { data: numbers(3 * IN, 32), shape: [3, IN] }

/** y of the definition: AbsMean by groups of columns, the rows of x rounded to int8. */
function expected({
  groupSize = 64,
  bias,
}: {
  readonly groupSize?: number
  readonly bias?: Float32Array
}): number[] {
  const group = groupSize === 0 ? IN : groupSize
  const { trits, scales } = quantizeWeightsAbsmean({ data: WEIGHT.data, shape: [(OUT * IN) / group, group] })
  return Array.from({ length: 3 * OUT }, (_, at) => {
    const [row, o] = [Math.floor(at / OUT), at % OUT]
    const x = X.data.subarray(row * IN, (row + 1) * IN)
    const step = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
    let y = bias?.[o] ?? 0
    for (let k = 0; k < IN; k++) {
      const i = o * IN + k
      y += Math.round(x[k] / step) * step * trits[i] * scales[Math.floor(i / group)]
    }
    return y
  })
}

const OPTIONS: readonly Pick<BitlinearOptions, 'groupSize'>[] = [{}, { groupSize: 0 }, { groupSize: 128 }]

describe.each([
  ['the reference', null],
  ['the CPU', openCpu()],
] as const)('a BitLinear layer on %s', (_, device) => {
  test.each(OPTIONS)('multiplies by trits, with %p', (options) => {
    using _device = device && useDevice(device)
    const before = countLiveTensors()
    const bias = numbers(OUT, 33)
    for (const added of [{}, { bias }]) {
      using layer = createBitlinear(WEIGHT, { ...options, ...added })
      const { data, shape } = bitlinearForward(layer, X)
      expect(shape).toEqual([3, OUT])
      expect(relativeError(data, expected({ ...options, ...added }))).toBeLessThan(1e-4)
    }
    expect(countLiveTensors()).toBe(before)
  })
  test('takes and gives tensors of any rank, on their device', () => {
    using _device = device && useDevice(device)
    using _scope = tensorScope()
    const layer = createBitlinear(tensor(WEIGHT.data, { shape: [OUT, IN] }), {
      bias: tensor(numbers(OUT, 33)),
    })
    const y = bitlinearForward(layer, tensor(X.data, { shape: [1, 3, IN] }))
    expect(y.shape).toEqual([1, 3, OUT])
    expect(relativeError(y.toArray(), expected({ bias: numbers(OUT, 33) }))).toBeLessThan(1e-4)
  })
})

describe('what a layer says of itself', () => {
  test('sizes, bytes with the scales, the share of zeros', () => {
    using layer: BitlinearLayer = createBitlinear(WEIGHT)
    expect([bitlinearInFeatures(layer), bitlinearOutFeatures(layer)]).toEqual([IN, OUT])
    expect(bitlinearCompressionRatio(layer)).toBe((4 * OUT * IN) / ((OUT * IN) / 4 + (4 * OUT * IN) / 64))
    const { trits } = quantizeWeightsAbsmean({ data: WEIGHT.data, shape: [OUT * 2, 64] })
    expect(bitlinearSparsity(layer)).toBe(trits.filter((trit) => trit === 0).length / trits.length)
  })
})

test('refused: rows that do not fit, groups that do not divide, other biases and inputs', () => {
  const before = countLiveTensors()
  const { data } = WEIGHT
  expect(thrownBy(() => createBitlinear({ data, shape: [6, 256] }))[0]).toBe('E_SHAPE')
  expect(thrownBy(() => createBitlinear({ data, shape: [OUT * IN] }))[0]).toBe('E_SHAPE')
  expect(thrownBy(() => createBitlinear(WEIGHT, { groupSize: 96 }))).toEqual([
    'E_SHAPE',
    'groups of 96 columns do not divide 128',
  ])
  expect(thrownBy(() => createBitlinear(WEIGHT, { bias: new Float32Array(3) }))[0]).toBe('E_SHAPE')
  expect(thrownBy(() => createBitlinear({ data: data.subarray(1), shape: [OUT, IN] }))[0]).toBe('E_SHAPE')
  using layer = createBitlinear(WEIGHT)
  expect(thrownBy(() => bitlinearForward(layer, { data, shape: [24, 64] }))[0]).toBe('E_SHAPE')
  layer[Symbol.dispose]()
  expect(countLiveTensors()).toBe(before)
})
