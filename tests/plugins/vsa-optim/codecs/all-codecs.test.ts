/**
 * What holds for every codec: it is a contraction on gradients of all kinds, says codewords again, gives the bytes that it announces, and refuses
 * bytes that it never writes.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom, type Random } from '../../../../core/mod.ts'
import {
  CODEC_NAMES,
  type CodecOptions,
  createCompressor,
  denseCompressor,
  integerCompressor,
  keptShare,
  powersgdCompressor,
  topkSignCompressor,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

const SHAPE = [64, 96] as const
/** Two blocks of 4096 and of 2048: no padding, whose part of a codeword is not sent. */
const LENGTH = 64 * 96

const CODECS: readonly CodecOptions[] = [
  ...CODEC_NAMES.map((codec) => ({ codec })),
  { codec: 'vsa', ratio: 0.2 },
  { codec: 'topk-sign', ratio: 0.3, block: 512 },
  { codec: 'powersgd', rank: 5 },
  { codec: 'int8', block: 64 },
]
const CASES = CODECS.map((options) => [Object.values(options).join(' '), options] as const)

function drawn(one: (random: Random) => number, seed = 1): Float32Array {
  const random = createRandom(seed, 'codecs')
  return Float32Array.from({ length: LENGTH }, () => one(random))
}

const DISTRIBUTIONS: Readonly<Record<string, Float32Array>> = {
  normal: drawn((random) => random.normal()),
  'heavy tails': drawn((random) => random.normal() ** 5),
  sparse: drawn((random) => (random.int(200) === 0 ? random.normal() : 0)),
  constant: new Float32Array(LENGTH).fill(-0.37),
  'of tiny numbers': drawn((random) => 1e-30 * random.normal()),
  'of large numbers': drawn((random) => 1e36 * random.normal()),
}

function shareOf(options: CodecOptions, u: Float32Array, round: number): number {
  const compressor = createCompressor(options, SHAPE, 7)
  return keptShare(u, compressor.decompress(compressor.compress(u, round)))
}

describe.each(CASES)('%s', (_, options) => {
  test.each(Object.entries(DISTRIBUTIONS))('keeps a part of gradients that are %s', (_name, u) => {
    // Of a few numbers a part of the coordinates can miss all of them, for as long as its turn takes.
    const shares = [0, 1, 2, 3, 4].map((round) => shareOf(options, u, round))
    for (const share of shares) {
      expect(share).toBeGreaterThanOrEqual(-1e-9)
      expect(share).toBeLessThanOrEqual(1)
    }
    expect(Math.max(...shares)).toBeGreaterThan(0.004)
  })
  test('of zeros there are zeros', () => {
    const compressor = createCompressor(options, SHAPE)
    const zeros = new Float32Array(LENGTH)
    expect(
      compressor.decompress(compressor.compress(zeros)).every((value) => Object.is(Math.abs(value), 0)),
    ).toBe(true)
  })
  test('a message has the bytes that were announced, and says itself again', () => {
    const compressor = createCompressor(options, SHAPE, 3)
    const message = compressor.compress(DISTRIBUTIONS.normal, 2)
    expect(message.bytes).toBe(compressor.bytesOf(LENGTH))
    expect(message.payload).toHaveLength(message.bytes)
    const once = compressor.decompress(message)
    expect(keptShare(once, compressor.decompress(compressor.compress(once, 2)))).toBeGreaterThan(1 - 2e-5)
  })
  test('gradients that are none are refused', () => {
    const compressor = createCompressor(options, SHAPE)
    const broken = DISTRIBUTIONS.normal.with(17, Number.NaN)
    expect(thrownBy(() => compressor.compress(broken))).toEqual(['E_NAN', 'number 17 of the gradient is NaN'])
    expect(thrownBy(() => compressor.compress(new Float32Array(0)))[0]).toBe('E_SHAPE')
    const message = compressor.compress(DISTRIBUTIONS.normal)
    expect(
      thrownBy(() => compressor.decompress({ ...message, payload: message.payload.subarray(1) }))[0],
    ).toBe('E_SHAPE')
    const other = createCompressor({ codec: options.codec === 'int4' ? 'int8' : 'int4' }, SHAPE)
    expect(thrownBy(() => compressor.decompress(other.compress(DISTRIBUTIONS.normal)))[1]).toContain('codec')
  })
})

describe('what is sent', () => {
  const u = DISTRIBUTIONS.normal
  test('dense loses nothing, to the bit', () => {
    const compressor = denseCompressor()
    const odd = Float32Array.of(-0, 1e-45, 3.4e38, -1 / 3)
    expect(compressor.decompress(compressor.compress(odd))).toEqual(odd)
  })
  test('int8 is within half a step of the largest over 127, int4 of it over 7', () => {
    for (const [bits, largest] of [
      [8, 127],
      [4, 7],
    ] as const) {
      const compressor = integerCompressor({ bits, block: 64 })
      const sent = compressor.decompress(compressor.compress(u))
      for (let start = 0; start < LENGTH; start += 64) {
        const block = u.subarray(start, start + 64)
        const step = block.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / largest
        // The scale is bf16: the largest numbers may be off by 127 · 2⁻⁹ of a step more.
        for (const [i, x] of block.entries())
          expect(Math.abs(x - sent[start + i])).toBeLessThan(step * (0.51 + largest / 512))
      }
    }
  })
  test('topk-sign: the largest of each block, all of one size', () => {
    const compressor = topkSignCompressor({ ratio: 0.1, block: 256 })
    const sent = compressor.decompress(compressor.compress(u)).subarray(0, 256)
    const places = [...sent.keys()].filter((i) => sent[i] !== 0)
    expect(places).toHaveLength(26)
    const left = [...sent.keys()].filter((i) => sent[i] === 0).map((i) => Math.abs(u[i]))
    for (const i of places) {
      expect(Math.abs(u[i])).toBeGreaterThanOrEqual(Math.max(...left))
      expect(Math.sign(sent[i])).toBe(Math.sign(u[i]))
    }
    expect(new Set([...sent].map(Math.abs)).size).toBe(2)
    // 26 · 9 bits for each whole block
    expect(compressor.bytesOf(512)).toBe(2 * (Math.ceil((26 * 9) / 8) + 2))
  })
  test('powersgd: a matrix of its rank arrives, and of others the nearest is nearly reached', () => {
    const random = createRandom(5)
    const [p, q] = [64 * 2, 96 * 2].map((size) => Float32Array.from({ length: size }, () => random.normal()))
    const low = Float32Array.from({ length: LENGTH }, (_, at) => {
      const [i, j] = [Math.floor(at / 96), at % 96]
      return p[2 * i] * q[2 * j] + p[2 * i + 1] * q[2 * j + 1]
    })
    const compressor = powersgdCompressor(SHAPE, { rank: 2 })
    expect(keptShare(low, compressor.decompress(compressor.compress(low)))).toBeGreaterThan(0.9999)
    const noisy = low.map((x) => x + 0.3 * random.normal())
    // ‖low‖² is 2 · LENGTH, the noise 0.09 · LENGTH.
    expect(keptShare(noisy, compressor.decompress(compressor.compress(noisy)))).toBeGreaterThan(0.95)
  })
})

describe('refused', () => {
  test('codecs and options that are not there', () => {
    const made = (options: object): string =>
      thrownBy(() => createCompressor({ codec: 'int8', ...options }, SHAPE)).join(' ')
    expect(made({ codec: 'int7' })).toContain(
      'E_VALUE createCompressor: codec is int7, there are dense, bf16, int8',
    )
    expect(made({ rank: 2 })).toBe('E_VALUE int8 has no rank')
    expect(made({ codec: 'dense', block: 64 })).toBe('E_VALUE dense has no block')
    expect(made({ block: 100 })).toContain('power of two')
    for (const ratio of [0, 1.5, Number.NaN]) expect(made({ codec: 'topk-sign', ratio })).toContain('ratio')
    for (const rank of [0, 1.5]) expect(made({ codec: 'powersgd', rank })).toContain('rank')
  })
  test('powersgd on what has its rank already', () => {
    expect(thrownBy(() => powersgdCompressor([8, 576], { rank: 2 }))).toEqual([
      'E_VALUE',
      'powersgd: rank 2 is for matrices with more than 8 rows and columns, got (8, 576)',
    ])
    expect(thrownBy(() => powersgdCompressor([9], { rank: 2 }))[0]).toBe('E_VALUE')
    expect(createCompressor({ codec: 'powersgd' }, [9]).codec).toBe('dense')
    const compressor = powersgdCompressor(SHAPE)
    expect(thrownBy(() => compressor.compress(new Float32Array(12)))[1]).toContain('has 6144 numbers')
  })
  test('bytes that are never written', () => {
    const broken = (options: CodecOptions, at: number, byte: number): string => {
      const compressor = createCompressor(options, [2, 64])
      const message = compressor.compress(Float32Array.from({ length: 128 }, (_, i) => i - 64))
      return thrownBy(() =>
        compressor.decompress({ ...message, payload: message.payload.with(at, byte) }),
      ).join(' ')
    }
    expect(broken({ codec: 'int8' }, 9, 0x80)).toBe('E_FORMAT int8: block 0 has -128, at most ±127 is sent')
    expect(broken({ codec: 'int4' }, 9, 0x08)).toBe('E_FORMAT int4: block 0 has -8, at most ±7 is sent')
    expect(broken({ codec: 'int8' }, 1, 0xff)).toContain('E_FORMAT int8: the scale of block 0 is')
    expect(broken({ codec: 'topk-sign', ratio: 0.1 }, 2, 0xff)).toContain(
      'E_FORMAT topk-sign: block 0 names number',
    )
    expect(broken({ codec: 'ternary' }, 4, 243)).toContain('E_FORMAT base3')
    expect(broken({ codec: 'dense' }, 3, 0x7f)).toBe('E_FORMAT dense: number 0 is Infinity')
  })
})
