/**
 * Compressors of gradients: what a message keeps, how many bytes it has, and which gradients and messages are refused.
 */
import { describe, expect, test } from 'bun:test'
import { bf16ToNumber, createRandom, numberToBf16, type Random } from '../../../../core/mod.ts'
import {
  type CompressorOptions,
  type GradientCompressor,
  keptShare,
  ternaryCompressor,
  vsaCompressor,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

type Make = (options?: CompressorOptions) => GradientCompressor
const MAKERS: readonly (readonly [string, Make])[] = [
  ['ternary', ternaryCompressor],
  ['vsa', vsaCompressor],
  ['vsa, a tenth', (options) => vsaCompressor({ ...options, ratio: 0.1 })],
]

function drawn(length: number, one: (random: Random) => number, seed = 1): Float32Array {
  const random = createRandom(seed, 'gradients')
  return Float32Array.from({ length }, () => one(random))
}
const normal = (length: number, seed?: number): Float32Array =>
  drawn(length, (random) => random.normal(), seed)
/** Most of it in a few numbers. */
const heavy = (length: number): Float32Array => drawn(length, (random) => random.normal() ** 5)
const sparse = (length: number): Float32Array =>
  drawn(length, (random) => (random.int(100) === 0 ? random.normal() : 0))

/** Of a Gaussian whose numbers above 0.7·mean are kept: (2φ(t))² / P(|x| > t), t = 0.7·√(2/π). */
const GAUSSIAN = 0.809

function measured(compressor: GradientCompressor, u: Float32Array, round = 0): number {
  return keptShare(u, compressor.decompress(compressor.compress(u, round)))
}

describe('what a message keeps', () => {
  test('of Gaussian numbers 0.809, with and without rotation', () => {
    expect(measured(ternaryCompressor(), normal(65536))).toBeCloseTo(GAUSSIAN, 2)
    expect(measured(vsaCompressor(), normal(65536))).toBeCloseTo(GAUSSIAN, 2)
  })
  test('rotated, heavy tails and sparse gradients keep as much as Gaussian ones; as they lie, they keep less or all', () => {
    for (const u of [heavy(65536), sparse(65536)])
      expect(Math.abs(measured(vsaCompressor(), u) - GAUSSIAN)).toBeLessThan(0.03)
    expect(measured(ternaryCompressor(), heavy(65536))).toBeLessThan(0.5)
  })
  test('a tenth of the coordinates has a tenth of it', () => {
    const share = measured(vsaCompressor({ ratio: 0.1 }), normal(65536))
    expect(Math.abs(share - 0.1 * GAUSSIAN)).toBeLessThan(0.01)
  })
  test.each(MAKERS)('%s: between 0 and 1 for every gradient, so it is a contraction', (_, make) => {
    const spike = new Float32Array(1000)
    spike[77] = -3
    for (const u of [
      normal(1),
      normal(5),
      normal(4097),
      heavy(999),
      sparse(3000),
      spike,
      new Float32Array(64).fill(2),
    ]) {
      for (let round = 0; round < 12; round++) {
        const share = measured(make({ seed: 3 }), u, round)
        expect(share).toBeGreaterThanOrEqual(-1e-6)
        expect(share).toBeLessThanOrEqual(1)
      }
    }
    expect(measured(ternaryCompressor(), spike)).toBe(1)
  })
  test('the scale is the best there is for these trits', () => {
    const u = heavy(4096)
    const compressor = vsaCompressor({ seed: 5 })
    const message = compressor.compress(u)
    const shareAt = (factor: number): number =>
      keptShare(u, compressor.decompress({ ...message, payload: scaledBy(message.payload, factor) }))
    for (const factor of [0.9, 0.98, 1.02, 1.1]) expect(shareAt(factor)).toBeLessThan(shareAt(1))
  })
  test.each(MAKERS)('%s: zeros stay zeros', (_, make) => {
    const compressor = make()
    expect(compressor.decompress(compressor.compress(new Float32Array(100)))).toEqual(new Float32Array(100))
  })
  test('what comes out of a whole message is compressed to itself', () => {
    for (const compressor of [ternaryCompressor(), vsaCompressor()]) {
      const once = compressor.decompress(compressor.compress(normal(8192)))
      const twice = compressor.decompress(compressor.compress(once))
      expect(keptShare(once, twice)).toBeGreaterThan(1 - 1e-10)
    }
  })
})

describe('rounds', () => {
  test('all of the coordinates are sent once in 1/ratio rounds', () => {
    const u = normal(4096)
    const compressor = vsaCompressor({ ratio: 0.25, threshold: 0, seed: 9 })
    const parts = [0, 1, 2, 3].map((round) => compressor.decompress(compressor.compress(u, round)))
    const shares = parts.map((part) => keptShare(u, part))
    const together = u.map((_, i) => parts.reduce((sum, part) => sum + part[i], 0))
    // Windows that do not meet are orthogonal: what they keep adds up.
    expect(keptShare(u, together)).toBeCloseTo(
      shares.reduce((sum, share) => sum + share, 0),
      5,
    )
  })
  test.each(MAKERS)('%s, unbiased: the mean over rounds is the gradient', (_, make) => {
    const u = normal(64)
    const rounds = 4000
    const compressor = make({ rounding: 'unbiased', seed: 2 })
    const sum = new Float64Array(u.length)
    for (let round = 0; round < rounds; round++)
      for (const [i, x] of compressor.decompress(compressor.compress(u, round)).entries()) sum[i] += x
    const means = Float32Array.from(sum, (x) => x / rounds)
    expect(keptShare(u, means)).toBeGreaterThan(0.97)
    // The nearest trits of the same gradient are off by more than drawing is.
    expect(Math.abs(dot(u, means) / dot(u, u) - 1)).toBeLessThan(0.03)
  })
})

describe('messages', () => {
  test('bytes: 1.6 bits a number sent, and a scale for each block', () => {
    const u = normal(40_960)
    expect(ternaryCompressor().compress(u).bytes).toBe(10 * (820 + 2))
    expect(vsaCompressor({ ratio: 0.1 }).compress(u).bytes).toBe(10 * (82 + 2))
    expect((4 * u.length) / ternaryCompressor().compress(u).bytes).toBeGreaterThan(19.9)
  })
  test.each(MAKERS)('%s: the same for the same seed, and another for another', (_, make) => {
    const u = normal(5000)
    expect(make({ seed: 4 }).compress(u, 3)).toEqual(make({ seed: 4 }).compress(u, 3))
    const [one, other] = [4, 2 ** 40 + 4].map((seed) => make({ seed, rounding: 'unbiased' }).compress(u, 3))
    expect(one.payload).not.toEqual(other.payload)
  })
  test.each(MAKERS)('%s: seeds above 2³² and gradients of any length come back', (_, make) => {
    for (const length of [1, 2, 3, 31, 33, 4095, 4097, 100_003]) {
      const compressor = make({ seed: 2 ** 53 - 1 })
      expect(compressor.decompress(compressor.compress(normal(length), 1))).toHaveLength(length)
    }
  })
})

describe('refused', () => {
  test.each(MAKERS)('%s: gradients that are none', (_, make) => {
    const compressor = make()
    for (const bad of [Number.NaN, Infinity]) {
      const u = normal(10)
      u[7] = bad
      expect(thrownBy(() => compressor.compress(u))).toEqual(['E_NAN', `number 7 of the gradient is ${bad}`])
    }
    expect(thrownBy(() => compressor.compress(new Float32Array(0)))[0]).toBe('E_SHAPE')
    for (const round of [-1, 0.5, Number.NaN])
      expect(thrownBy(() => compressor.compress(normal(4), round))[0]).toBe('E_VALUE')
  })
  test('options out of their range', () => {
    for (const ratio of [0, -0.1, 1.1, Number.NaN])
      expect(thrownBy(() => vsaCompressor({ ratio }))).toEqual(['E_VALUE', expect.stringContaining('ratio')])
    for (const block of [0, 3, 1.5, -8, 2 ** 21, Number.NaN])
      expect(thrownBy(() => ternaryCompressor({ block }))).toEqual([
        'E_VALUE',
        expect.stringContaining('block'),
      ])
    for (const threshold of [-0.1, 1, Number.NaN])
      expect(thrownBy(() => ternaryCompressor({ threshold }))[1]).toContain('threshold')
    for (const seed of [-1, 0.5, 2 ** 53])
      expect(thrownBy(() => vsaCompressor({ seed }))[1]).toContain('seed')
  })
  test('messages of other settings say which', () => {
    const u = normal(100)
    const mine = vsaCompressor({ seed: 1, ratio: 0.5 })
    const from = (other: GradientCompressor): string =>
      thrownBy(() => mine.decompress(other.compress(u))).join(' ')
    expect(from(vsaCompressor({ seed: 2, ratio: 0.5 }))).toBe(
      'E_VALUE the message has seed 2, this compressor has 1',
    )
    expect(from(vsaCompressor({ seed: 1, ratio: 0.4 }))).toBe(
      'E_VALUE the message has ratio 0.4, this compressor has 0.5',
    )
    expect(from(vsaCompressor({ seed: 1, ratio: 0.5, block: 64 }))).toContain('block 64')
    expect(from(ternaryCompressor({ seed: 1 }))).toContain('codec ternary')
  })
  test('damaged messages', () => {
    const compressor = ternaryCompressor()
    const message = compressor.compress(normal(100))
    const damaged = (change: Partial<typeof message>): string =>
      thrownBy(() => compressor.decompress({ ...message, ...change })).join(' ')
    expect(damaged({ length: 200 })).toBe('E_SHAPE a message for 200 numbers has 42 bytes, this one 22')
    expect(damaged({ length: 0 })).toContain('E_VALUE')
    expect(damaged({ payload: message.payload.with(0, 0xff).with(1, 0x7f) })).toBe(
      'E_FORMAT ternary: the scale of block 0 is NaN',
    )
    expect(damaged({ payload: message.payload.with(5, 243) })).toContain('E_FORMAT base3: byte 3 is 243')
    expect(damaged({ round: -1 })).toContain('E_VALUE')
  })
})

/** A message of one block with another scale. */
function scaledBy(payload: Uint8Array, factor: number): Uint8Array {
  const bits = numberToBf16(bf16ToNumber(payload[0] | (payload[1] << 8)) * factor)
  return payload.with(0, bits & 0xff).with(1, bits >> 8)
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0)
}
