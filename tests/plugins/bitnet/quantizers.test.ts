/**
 * Trits of weights: the definition on numbers, the native AbsMean beside it, and what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom, quantize4bit, tensor, type Tensor } from '../../../core/mod.ts'
import { absMax, absMean, ternarize } from '../../../plugins/bitnet/mod.ts'

function random(shape: readonly [number, number], seed: string): Tensor {
  const source = createRandom(1, seed)
  return tensor(
    Float32Array.from({ length: shape[0] * shape[1] }, () => source.normal()),
    { shape },
  )
}

describe('ternarize', () => {
  test('AbsMean: halves and less are 0, more is ±1, four rows a byte', () => {
    // mean 1: 0.5 is on the border, and goes to the even side.
    const values = Float32Array.of(0.5, -0.5, 0.51, -0.51, 2, -2, 0, 1.98)
    const { packed, scales } = ternarize(values, [8, 1], { scale: 'absmean', block: 0 })
    expect(scales[0]).toBeCloseTo(1, 6)
    // Rows 0, 2, 4, 6 and 1, 3, 5, 7, the first in the lowest bits.
    const trits = (byte: number): number[] => [0, 2, 4, 6].map((shift) => ((byte >> shift) & 3) - 1)
    expect(trits(packed[0])).toEqual([0, 1, 1, 0])
    expect(trits(packed[1])).toEqual([0, -1, -1, 1])
  })

  test('scales of groups and rows are those of their own columns', () => {
    const values = Float32Array.from({ length: 4 * 128 }, (_, i) => (i % 128 < 64 ? 1 : -3))
    const groups = ternarize(values, [4, 128], { scale: 'absmean', block: 64 })
    expect([...groups.scales]).toEqual([1, 3, 1, 3, 1, 3, 1, 3])
    const rows = ternarize(values, [4, 128], { scale: 'absmax', block: 128 })
    expect([...rows.scales]).toEqual([3, 3, 3, 3])
  })

  test('zeros have the smallest scale; NaN stays in the scale', () => {
    expect(ternarize(new Float32Array(4), [4, 1], { scale: 'absmean', block: 0 }).scales[0]).toBe(
      Math.fround(1e-5),
    )
    const nan = ternarize(Float32Array.of(NaN, 1, 1, 1), [4, 1], { scale: 'absmax', block: 0 })
    expect(nan.scales[0]).toBeNaN()
  })

  test('refuses rows that are no multiple of 4, and groups that do not divide the columns', () => {
    expect(() => ternarize(new Float32Array(6), [6, 1], { scale: 'absmean', block: 0 })).toThrow(
      'a multiple of 4 rows',
    )
    expect(() => ternarize(new Float32Array(400), [4, 100], { scale: 'absmean', block: 64 })).toThrow(
      'groups of 64 columns do not divide 100',
    )
  })
})

describe('quantizers', () => {
  test.each([[[4, 1]], [[12, 7]], [[64, 96]], [[256, 300]]] as const)(
    'AbsMean of %j is that of the definition',
    (shape) => {
      using weight = random([shape[0], shape[1]], shape.join())
      using packed = absMean().quantize(weight)
      const expected = ternarize(Float32Array.from(weight.toArray()), shape, { scale: 'absmean', block: 0 })
      expect([...packed.parts.data.toArray()]).toEqual([...expected.packed])
      expect(packed.parts.scale.item() / expected.scales[0]).toBeCloseTo(1, 6)
    },
  )

  test('AbsMax gives trits back exactly, and another quantizer refuses what it has not packed', () => {
    using weight = tensor([3, -3, 0, 3], { shape: [4, 1] })
    using packed = absMax().quantize(weight)
    using again = absMax().dequantize(packed)
    expect([...again.toArray()]).toEqual([3, -3, 0, 3])
    using other = quantize4bit(weight)
    expect(() => absMean().dequantize(other)).toThrow('"nf4" is not a packed form')
  })
})
