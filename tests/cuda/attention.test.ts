/** Attention of the CUDA kernels against f64 loops: tiles of every head size, documents, masks, groups, tails, generation. */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type AttentionCase, attention, attentionGradients } from '../native/_attention.ts'
import { BF16, F32 } from '../native/_library.ts'
import { DTYPES, type Dtype, expectClose, unpack } from '../native/_numbers.ts'
import {
  attentionData,
  type AttentionRun,
  BACKWARD,
  FORWARD,
  library,
  LSE,
  runAttention,
} from './_attention.ts'

// Emulated kernels share the machine with whatever else runs; sanitized ones take their time.
setDefaultTimeout(process.env.TRITUNE_EMULATOR_SANITIZED === '1' ? 1_200_000 : 30_000)

const BASE: AttentionCase = {
  offsetsQ: [0, 70],
  offsetsK: [0, 70],
  heads: 2,
  kvHeads: 1,
  size: 64,
  scale: 0.125,
  causal: true,
  window: 0,
  softcap: 0,
}
const one = (queries: number, keys = queries): Pick<AttentionCase, 'offsetsQ' | 'offsetsK'> => ({
  offsetsQ: [0, queries],
  offsetsK: [0, keys],
})

/** More tokens than the largest tile, in documents that end within one. */
const packed = { offsetsQ: [0, 1, 4, 4, 150, 187], offsetsK: [0, 1, 4, 4, 150, 187] } as const

const CASES: Readonly<Record<string, AttentionCase>> = {
  'one causal document': { ...BASE, ...one(150) },
  'no mask': { ...BASE, ...one(133, 70), causal: false },
  documents: { ...BASE, ...packed },
  'more keys than queries': { ...BASE, offsetsQ: [0, 50, 57], offsetsK: [0, 83, 250] },
  'more queries than keys': { ...BASE, offsetsQ: [0, 140, 160], offsetsK: [0, 13, 13] },
  'documents without queries or keys': { ...BASE, offsetsQ: [0, 0, 9, 20], offsetsK: [0, 30, 30, 41] },
  'a sliding window': { ...BASE, ...one(210), window: 33 },
  'a window of one': { ...BASE, window: 1 },
  'a window without causality': { ...BASE, ...one(70, 200), causal: false, window: 20 },
  'a window larger than the document': { ...BASE, window: 2 ** 31 - 1 },
  softcap: { ...BASE, softcap: 1.5, scale: 0.4 },
  'a head for itself': { ...BASE, heads: 2, kvHeads: 2 },
  'head size 80': { ...BASE, ...packed, size: 80, window: 40 },
  'head size 96': { ...BASE, ...one(140, 150), size: 96, softcap: 2 },
  'head size 128': { ...BASE, ...packed, size: 128, softcap: 3, scale: 0.09 },
  'head size 128 in a window': { ...BASE, ...one(170, 190), size: 128, window: 50, scale: 0.09 },
  'head size 256': { ...BASE, ...one(100), size: 256, scale: 0.0625, softcap: 4 },
  'head size 256 in documents': {
    ...BASE,
    offsetsQ: [0, 20, 70],
    offsetsK: [0, 90, 100],
    size: 256,
    window: 40,
    scale: 0.06,
  },
  'head size 8, padded': { ...BASE, ...one(35), size: 8 },
  'head size 72, padded': { ...BASE, ...one(35), size: 72 },
  'head size 104, padded': { ...BASE, ...one(35), size: 104, window: 9 },
  'head size 200, padded': { ...BASE, ...one(35), size: 200, softcap: 1 },
  'head size 19': { ...BASE, ...one(37), size: 19, softcap: 1 },
  'head size 1': { ...BASE, size: 1 },
  'head size 130': { ...BASE, ...one(20, 37), size: 130, heads: 1 },
  'a negative scale': { ...BASE, scale: -0.3 },
  'a scale of zero': { ...BASE, ...one(20), scale: 0 },
  '70 documents': {
    ...BASE,
    offsetsQ: Array.from({ length: 71 }, (_, i) => i * 2),
    offsetsK: Array.from({ length: 71 }, (_, i) => i * 3),
    size: 16,
    heads: 1,
  },
  'everything at once': {
    ...BASE,
    offsetsQ: [0, 31, 31, 75, 80],
    offsetsK: [0, 140, 150, 194, 198],
    heads: 6,
    kvHeads: 2,
    size: 40,
    window: 50,
    softcap: 3,
  },
}

const option = (name: string, value: string): void =>
  library.call.tt_option_set(new TextEncoder().encode(`${name}\0`), new TextEncoder().encode(`${value}\0`))

/** Many keys for each query: the keys are cut into parts. Forward alone: that is what generation needs. */
const GENERATION: Readonly<Record<string, AttentionCase>> = {
  'one query and a long cache': { ...BASE, ...one(1, 700), heads: 4, kvHeads: 2 },
  'one query and a long cache in a window': { ...BASE, ...one(1, 700), window: 300 },
  'one query, head size 128': { ...BASE, ...one(1, 600), size: 128, heads: 8, kvHeads: 1, scale: 0.09 },
  'one query, head size 256': { ...BASE, ...one(1, 400), size: 256, softcap: 2, scale: 0.0625 },
  'one query, head size 80': { ...BASE, ...one(1, 300), size: 80, scale: 0.1 },
  'a few queries and many keys': { ...BASE, ...one(5, 611), heads: 6, kvHeads: 2, softcap: 2 },
  'a batch of single queries': {
    ...BASE,
    offsetsQ: [0, 1, 2, 3],
    offsetsK: [0, 5, 5, 700],
    heads: 4,
    kvHeads: 2,
  },
  'one query of 20 heads on one': { ...BASE, ...one(1, 260), heads: 20 },
}

/** Compares a run with f64; the largest expected gradient scales what rounded probabilities may err. */
function expectAsF64(c: AttentionCase, dtype: Dtype, got: AttentionRun, backward = true): void {
  const data = attentionData(c, dtype)
  const expected = attention(c, data)
  expectClose(unpack(got.o), expected.o, FORWARD[dtype])
  expectClose(got.lse, expected.lse, LSE[dtype])
  if (!backward) return
  const gradients = attentionGradients(c, data, data.dO)
  for (const name of ['dv', 'dk', 'dq'] as const) {
    const largest = gradients[name].reduce((m, x) => Math.max(m, Math.abs(x)), 1)
    const { rel, abs = 0 } = BACKWARD[dtype]
    expectClose(unpack(got[name]), gradients[name], { rel, abs: abs * largest })
  }
}

describe('attention on CUDA', () => {
  for (const [name, c] of Object.entries(CASES)) {
    test(`tt_attention_forward() and _backward() agree with f64: ${name}`, () => {
      for (const dtype of DTYPES) expectAsF64(c, dtype, runAttention(c, dtype, attentionData(c, dtype)))
    })
  }

  for (const [name, c] of Object.entries(GENERATION)) {
    test(`tt_attention_forward() agrees with f64: ${name}`, () => {
      for (const dtype of DTYPES)
        expectAsF64(c, dtype, runAttention(c, dtype, attentionData(c, dtype), { backward: false }), false)
    })
  }

  test('bf16 rows that are not 16-byte aligned give the same as f64', () => {
    const c = { ...BASE, ...one(40) }
    expectAsF64(c, BF16, runAttention(c, BF16, attentionData(c, BF16), { shift: 4 }))
  })

  test('two runs give the same bits', () => {
    for (const c of [
      { ...BASE, ...packed },
      { ...BASE, ...one(2, 300), heads: 4 },
    ]) {
      for (const dtype of DTYPES) {
        const runs = [1, 2].map(() => runAttention(c, dtype, attentionData(c, dtype)))
        expect(runs[1]).toEqual(runs[0])
      }
    }
  })

  test('dq by atomic additions agrees with f64', () => {
    option('attention_dq', 'atomic')
    try {
      for (const name of [
        'more keys than queries',
        'head size 96',
        'head size 104, padded',
        'head size 8, padded',
      ]) {
        const c = CASES[name]
        expectAsF64(c, BF16, runAttention(c, BF16, attentionData(c, BF16)))
      }
    } finally {
      option('attention_dq', 'deterministic')
    }
  })

  for (const queries of [70, 8]) {
    test(`a NaN key reaches the queries that see it, not those before: ${queries} queries`, () => {
      for (const dtype of DTYPES) {
        const c = { ...BASE, heads: 1, ...one(queries, 270) }
        const data = attentionData(c, dtype)
        data.k[(270 - queries + 4) * c.size] = Number.NaN
        const { o, lse } = runAttention(c, dtype, data, { backward: false })
        const values = unpack(o)
        for (let row = 0; row < queries; row++) {
          expect(Number.isNaN(values[row * c.size])).toBe(row >= 4)
          expect(Number.isNaN(lse[row])).toBe(row >= 4)
        }
      }
    })
    test(`a NaN query gives NaN for itself alone: ${queries} queries`, () => {
      for (const dtype of DTYPES) {
        const c = { ...BASE, heads: 1, ...one(queries, 270) }
        const data = attentionData(c, dtype)
        data.q[3 * c.size + 1] = Number.NaN
        const { o, lse } = runAttention(c, dtype, data, { backward: false })
        const values = unpack(o)
        for (let row = 0; row < queries; row++) {
          expect(Number.isNaN(values[row * c.size])).toBe(row === 3)
          expect(Number.isNaN(lse[row])).toBe(row === 3)
        }
      }
    })
  }

  afterAll(() => {
    const stats = new BigInt64Array(4)
    library.call.tt_memory_stats(stats)
    expect(stats[0]).toBe(0n)
  })
})

describe('arguments of attention on CUDA', () => {
  const status = (c: AttentionCase, dtype: Dtype = F32): string => {
    try {
      runAttention(c, dtype, attentionData({ ...BASE, ...one(40), heads: 6 }, dtype), { backward: false })
      return 'accepted'
    } catch (error) {
      return String(error)
    }
  }
  test('offsets that do not rise from 0 to the tokens are reported and read nothing out of bounds', () => {
    for (const offsets of [
      [0, 30, 20, 40],
      [1, 40],
      [0, -5, 40],
      [0, 2 ** 30, 40],
      [-7, 3, 40],
    ]) {
      for (const dtype of DTYPES) {
        expect(
          status({ ...BASE, offsetsQ: offsets, offsetsK: [0, ...offsets.slice(1).fill(40)] }, dtype),
        ).toContain('an offset of attention is out of range')
        expect(
          status({ ...BASE, offsetsQ: [0, ...offsets.slice(1).fill(40)], offsetsK: offsets }, dtype),
        ).toContain('an offset of attention is out of range')
      }
    }
  })
  test('tt_attention_forward() names what is wrong', () => {
    const cases: readonly (readonly [Partial<AttentionCase>, string])[] = [
      [{ heads: 3, kvHeads: 2 }, 'heads (3) must be a multiple of kv_heads (2)'],
      [{ size: 260 }, 'head_dim must be 1..256, got 260'],
      [{ window: -1 }, 'window must not be negative, got -1'],
      [{ softcap: -1 }, 'softcap must be 0 or positive, got -1'],
      [{ scale: Number.NaN }, 'scale must be finite, got nan'],
    ]
    // As many tokens as the data of status() have.
    const fitting = { ...BASE, ...one(40) }
    for (const [change, message] of cases)
      expect(status({ ...fitting, ...change })).toContain(`tt_attention_forward: ${message}`)
    expect(status(fitting)).toBe('accepted')
  })
})
