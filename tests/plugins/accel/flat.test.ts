/**
 * The flat functions: compressed gradients, hypervectors, packed trits, the machine. What they are made of is tested where it is; here are the names,
 * the shapes that come back, bytes and errors.
 */
import { describe, expect, test } from 'bun:test'
import { countLiveTensors, createRandom, tensor, tensorScope } from '../../../core/mod.ts'
import {
  compressGradientsVsa,
  cudaAvailable,
  decompressGradientsVsa,
  packTernaryWeights,
  quantizeWeightsAbsmean,
  ternaryMatmul,
  unpackTernaryWeights,
  version,
  vsaBind,
  vsaBundle,
  vsaRandom,
  vsaSimilarity,
  vsaUnbind,
} from '../../../plugins/accel/mod.ts'
import { keptShare, vsaCompressor } from '../../../plugins/vsa-optim/mod.ts'
import packageJson from '../../../package.json'
import { thrownBy } from '../vsa-optim/_thrown.ts'

function numbers(length: number): Float32Array {
  const random = createRandom(21)
  return Float32Array.from({ length }, () => random.normal())
}

describe('compressed gradients', () => {
  const gradient = { data: numbers(6000), shape: [60, 100] }
  test('are the messages of plugins/vsa-optim, and come back in their shape', () => {
    const message = compressGradientsVsa(gradient, 0.5, 9)
    expect(message).toEqual(vsaCompressor({ ratio: 0.5, seed: 9 }).compress(gradient.data))
    const { data, shape } = decompressGradientsVsa(message, [60, 100], 9)
    expect(shape).toEqual([60, 100])
    expect(keptShare(gradient.data, data)).toBeGreaterThan(0.35)
    expect(gradient.data.byteLength / message.bytes).toBeGreaterThan(28)
  })
  test('of a tensor are those of its numbers', () => {
    using x = tensor(gradient.data, { shape: [60, 100] })
    expect(compressGradientsVsa(x, 0.1, 9)).toEqual(compressGradientsVsa(gradient, 0.1, 9))
  })
  test('refuse another seed, another shape, a ratio out of range, NaN', () => {
    const message = compressGradientsVsa(gradient, 0.5, 9)
    expect(thrownBy(() => decompressGradientsVsa(message, [60, 100], 8))).toEqual([
      'E_VALUE',
      'the message has seed 9, this compressor has 8',
    ])
    expect(thrownBy(() => decompressGradientsVsa(message, [60, 99], 9))).toEqual([
      'E_SHAPE',
      'the message is of 6000 numbers, (60, 99) has 5940',
    ])
    for (const ratio of [0, 1.5, Number.NaN])
      expect(thrownBy(() => compressGradientsVsa(gradient, ratio, 9))[0]).toBe('E_VALUE')
    expect(
      thrownBy(() => compressGradientsVsa({ data: Float32Array.of(Number.NaN), shape: [1] }, 1, 9))[0],
    ).toBe('E_NAN')
  })
})

describe('hypervectors', () => {
  const DIMS = 10_001
  const [a, b, c] = [1, 2, 3].map((seed) => vsaRandom(DIMS, seed))
  test('bind is subtraction modulo 3, and unbind undoes it', () => {
    const balanced = (n: number): number => ((((n + 1) % 3) + 3) % 3) - 1
    const bound = vsaBind(a, b)
    expect(bound).toEqual(a.map((trit, i) => balanced(trit - b[i])))
    expect(vsaUnbind(bound, b)).toEqual(a)
  })
  test('a bundle is near what is in it, and a random vector is not', () => {
    const bundle = vsaBundle([a, b, c])
    expect(bundle).toEqual(a.map((trit, i) => Math.sign(trit + b[i] + c[i])))
    for (const one of [a, b, c]) expect(vsaSimilarity(bundle, one)).toBeGreaterThan(0.4)
    expect(Math.abs(vsaSimilarity(bundle, vsaRandom(DIMS, 4)))).toBeLessThan(4 / Math.sqrt(DIMS))
    expect(vsaSimilarity(a, a)).toBe(1)
  })
  test('the same seed gives the same vector, and plain lists of trits do too', () => {
    expect(vsaRandom(DIMS, 1)).toEqual(a)
    expect(vsaRandom(DIMS, 2)).not.toEqual(a)
    expect([...vsaBind([1, 0, -1], [1, 1, 1])]).toEqual([0, -1, 1])
  })
  test('refuse what is no trit, and other dimensions', () => {
    expect(thrownBy(() => vsaBind([1, 2], [0, 0]))[0]).toBe('E_VALUE')
    expect(thrownBy(() => vsaUnbind([1, 0.5], [0, 0]))[0]).toBe('E_VALUE')
    expect(thrownBy(() => vsaSimilarity([1, 0], [0, 0, 0]))[0]).toBe('E_SHAPE')
    expect(thrownBy(() => vsaBundle([]))[0]).toBe('E_SHAPE')
    expect(thrownBy(() => vsaRandom(0, 1))[0]).toBe('E_VALUE')
  })
})

describe('packed trits', () => {
  const trits = [1, 0, -1, 1, -1, 0, 1, -1, 1, 0]
  const scales = Float32Array.of(2, 0.5)
  test('are four a byte, the first lowest, 01 for +1 and 10 for −1, each row in bytes of its own', () => {
    const { packed } = packTernaryWeights(trits, scales, [2, 5])
    expect([...packed]).toEqual([0b01_10_00_01, 0b10, 0b01_10_01_00, 0])
    expect([...unpackTernaryWeights(packed, scales, [2, 5]).data]).toEqual([
      2, 0, -2, 2, -2, 0, 0.5, -0.5, 0.5, 0,
    ])
  })
  test('multiply as the matrix does, of arrays and of tensors', () => {
    const { packed } = packTernaryWeights(trits, scales, [2, 5])
    const x = Float32Array.of(1, 2, 3, 4, 5, 0, 1, 0, 1, 0)
    const y = [2 * (1 - 3 + 4 - 5), 0.5 * (2 - 3 + 4), 2, 1]
    const before = countLiveTensors()
    const got = ternaryMatmul({ data: x, shape: [2, 5] }, packed, scales, [2, 5])
    expect([got.shape, [...got.data]]).toEqual([[2, 2], y])
    expect(countLiveTensors()).toBe(before)
    using _scope = tensorScope()
    const there = ternaryMatmul(tensor(x, { shape: [2, 1, 5] }), packed, scales, [2, 5])
    expect([there.shape, [...there.toArray()]]).toEqual([[2, 1, 2], y])
  })
  test('refuse a code that is no trit, other sizes, entries that are no trits', () => {
    const { packed } = packTernaryWeights(trits, scales, [2, 5])
    expect(thrownBy(() => unpackTernaryWeights(packed.with(2, 0b11), scales, [2, 5]))).toEqual([
      'E_FORMAT',
      expect.stringContaining('byte 2 is 3'),
    ])
    expect(thrownBy(() => unpackTernaryWeights(packed, scales, [2, 9]))[0]).toBe('E_SHAPE')
    expect(thrownBy(() => unpackTernaryWeights(packed, scales, [3, 5]))).toEqual([
      'E_SHAPE',
      '3 rows have as many scales, got 2',
    ])
    expect(thrownBy(() => packTernaryWeights(trits, scales, [10]))[0]).toBe('E_SHAPE')
    expect(thrownBy(() => packTernaryWeights([2, 0], Float32Array.of(1), [1, 2]))[0]).toBe('E_VALUE')
    const x = { data: new Float32Array(4), shape: [1, 4] }
    expect(thrownBy(() => ternaryMatmul(x, packed, scales, [2, 5]))[0]).toBe('E_SHAPE')
  })
})

describe('AbsMean by rows', () => {
  test('rounds each row by its own mean, for any number of rows', () => {
    const data = numbers(7 * 33)
    const { trits, scales, shape } = quantizeWeightsAbsmean({ data, shape: [7, 33] })
    expect([trits.length, shape]).toEqual([7 * 33, [7, 33]])
    for (let row = 0; row < 7; row++) {
      const values = data.subarray(row * 33, (row + 1) * 33)
      const scale = values.reduce((sum, w) => sum + Math.abs(w), 0) / 33
      expect(scales[row]).toBeCloseTo(scale, 6)
      const rounded = [...values].map((w) => Math.max(-1, Math.min(1, Math.round(w / scales[row]))))
      expect([...trits.subarray(row * 33, (row + 1) * 33)]).toEqual(rounded.map((trit) => trit || 0))
    }
    using x = tensor(data, { shape: [7, 33] })
    expect(quantizeWeightsAbsmean(x)).toEqual({ trits, scales, shape })
  })
  test('refuses what is no matrix', () => {
    for (const shape of [[6], [0, 3], [1, 2, 3]])
      expect(thrownBy(() => quantizeWeightsAbsmean({ data: numbers(6), shape }))[0]).toBe('E_SHAPE')
    expect(thrownBy(() => quantizeWeightsAbsmean({ data: numbers(6), shape: [2, 4] }))[0]).toBe('E_SHAPE')
  })
})

test('the machine: the version of the package, and whether there is a GPU', () => {
  expect(version()).toBe(packageJson.version)
  expect(typeof cudaAvailable()).toBe('boolean')
})
