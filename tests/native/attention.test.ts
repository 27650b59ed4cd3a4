/** Attention of the native library against f64 loops: documents, groups, windows, softcap, caches, both dtypes. */
import { describe, expect, test } from 'bun:test'
import { type AttentionCase, attention, attentionGradients } from './_attention.ts'
import { type Argument, call, run } from './_header.ts'
import { BAD_ARGUMENT, BF16, F32, lastError } from './_library.ts'
import {
  DTYPES,
  type Dtype,
  type Stored,
  blank,
  dot,
  expectClose,
  normal,
  numericGradient,
  onEveryMachine,
  pack,
  unpack,
} from './_numbers.ts'

const BASE: AttentionCase = {
  offsetsQ: [0, 70],
  offsetsK: [0, 70],
  heads: 3,
  kvHeads: 1,
  size: 16,
  scale: 0.25,
  causal: true,
  window: 0,
  softcap: 0,
}

const CASES: Readonly<Record<string, AttentionCase>> = {
  'one causal document': BASE,
  'no mask': { ...BASE, causal: false, heads: 2 },
  'many documents': {
    ...BASE,
    offsetsQ: [0, 1, 4, 4, 90, 133],
    offsetsK: [0, 1, 4, 4, 90, 133],
    heads: 4,
    kvHeads: 2,
  },
  'more keys than queries': { ...BASE, offsetsQ: [0, 50, 57], offsetsK: [0, 83, 200] },
  'more queries than keys': { ...BASE, offsetsQ: [0, 40, 60], offsetsK: [0, 13, 13] },
  'a sliding window': { ...BASE, offsetsQ: [0, 150], offsetsK: [0, 150], window: 33 },
  'a window of one': { ...BASE, window: 1 },
  softcap: { ...BASE, softcap: 1.5, scale: 0.7 },
  'an odd head size': { ...BASE, size: 19, heads: 2, kvHeads: 2, offsetsQ: [0, 37], offsetsK: [0, 37] },
  'head size 64, 9 heads of 3': { ...BASE, size: 64, heads: 9, kvHeads: 3, scale: 0.125 },
  'head size 128': { ...BASE, size: 128, heads: 2, kvHeads: 1, scale: 0.09 },
  'head size 256': {
    ...BASE,
    size: 256,
    heads: 1,
    kvHeads: 1,
    offsetsQ: [0, 35],
    offsetsK: [0, 35],
    scale: 0.0625,
  },
  'head size 1': { ...BASE, size: 1, heads: 1 },
  'one query and a long cache': { ...BASE, offsetsQ: [0, 1], offsetsK: [0, 700], heads: 6, kvHeads: 2 },
  'a batch of single queries': {
    ...BASE,
    offsetsQ: [0, 1, 2, 3],
    offsetsK: [0, 5, 5, 300],
    heads: 4,
    kvHeads: 2,
  },
  'one query in a window': { ...BASE, offsetsQ: [0, 1], offsetsK: [0, 700], window: 300 },
  'one key head for 40 heads': { ...BASE, heads: 40, size: 8, offsetsQ: [0, 19], offsetsK: [0, 19] },
  'one key head for 130 heads': { ...BASE, heads: 130, size: 4, offsetsQ: [0, 6, 8], offsetsK: [0, 9, 11] },
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
  'a window without causality': { ...BASE, causal: false, window: 20 },
  'a negative scale': { ...BASE, scale: -0.3 },
  'blocks of keys': { ...BASE, offsetsQ: [0, 330], offsetsK: [0, 330], heads: 1, size: 8 },
}

interface Forward {
  readonly inputs: { readonly q: Float64Array; readonly k: Float64Array; readonly v: Float64Array }
  readonly stored: readonly [q: Stored, k: Stored, v: Stored]
  readonly settings: readonly Argument[]
  readonly o: Stored
  readonly lse: Float32Array
}

function forward(c: AttentionCase, dtype: Dtype): Forward {
  const [tq, tk] = [c.offsetsQ.at(-1) ?? 0, c.offsetsK.at(-1) ?? 0]
  const q = normal(tq * c.heads * c.size, 1, dtype)
  const [k, v] = [normal(tk * c.kvHeads * c.size, 2, dtype), normal(tk * c.kvHeads * c.size, 3, dtype)]
  const settings = [
    Int32Array.from(c.offsetsQ),
    Int32Array.from(c.offsetsK),
    c.offsetsQ.length - 1,
    c.offsetsQ.at(-1) ?? 0,
    c.offsetsK.at(-1) ?? 0,
    c.heads,
    c.kvHeads,
    c.size,
    c.scale,
    c.causal ? 1 : 0,
    c.window,
    c.softcap,
    dtype,
  ]
  const stored = [pack(q, dtype), pack(k, dtype), pack(v, dtype)] as const
  const o = blank(q.length, dtype)
  const lse = new Float32Array(tq * c.heads).fill(Number.NaN)
  run('tt_attention_forward', o, lse, ...stored, ...settings)
  return { inputs: { q, k, v }, stored, settings, o, lse }
}

// bf16 rounds the probabilities on the way into the tile multiplications, beside the rounding of the result.
const FORWARD = { [F32]: { rel: 1e-5, abs: 2e-6 }, [BF16]: { rel: 8e-3, abs: 8e-3 } } as const
const LSE = { [F32]: { rel: 1e-6, abs: 3e-6 }, [BF16]: { rel: 1e-5, abs: 1e-5 } } as const
const BACKWARD = { [F32]: { rel: 2e-5, abs: 1e-5 }, [BF16]: { rel: 1.2e-2, abs: 3e-2 } } as const

describe('tt_attention_forward', () => {
  for (const [name, c] of Object.entries(CASES)) {
    const expected = new Map(DTYPES.map((dtype) => [dtype, attention(c, forward(c, dtype).inputs)]))
    test(`tt_attention_forward() agrees with f64: ${name}`, () => {
      onEveryMachine(() => {
        for (const dtype of DTYPES) {
          const { o, lse } = forward(c, dtype)
          expectClose(unpack(o), expected.get(dtype)?.o ?? [], FORWARD[dtype])
          expectClose(lse, expected.get(dtype)?.lse ?? [], LSE[dtype])
        }
      })
    })
  }

  test('tt_attention_forward() lets a NaN key reach the queries that see it, not those before', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES) {
        for (const queries of [70, 8]) {
          const c = { ...BASE, heads: 1, offsetsQ: [0, queries] }
          const { stored, settings, o, lse } = forward(c, dtype)
          stored[1][(70 - queries + 4) * c.size] = dtype === F32 ? Number.NaN : 0x7fc0
          run('tt_attention_forward', o, lse, ...stored, ...settings)
          const values = unpack(o)
          for (let row = 0; row < queries; row++) {
            expect(Number.isNaN(values[row * c.size])).toBe(row >= 4)
            expect(Number.isNaN(lse[row])).toBe(row >= 4)
          }
        }
      }
    })
  })

  test('tt_attention_forward() gives NaN for a query of NaN, and for it alone', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES) {
        for (const queries of [70, 8]) {
          const c = { ...BASE, heads: 1, offsetsQ: [0, queries] }
          const { stored, settings, o, lse } = forward(c, dtype)
          stored[0][3 * c.size + 1] = dtype === F32 ? Number.NaN : 0x7fc0
          run('tt_attention_forward', o, lse, ...stored, ...settings)
          const values = unpack(o)
          for (let row = 0; row < queries; row++) {
            expect(Number.isNaN(values[row * c.size])).toBe(row === 3)
            expect(Number.isNaN(lse[row])).toBe(row === 3)
          }
        }
      }
    })
  })
})

describe('tt_attention_backward', () => {
  const gradients = (c: AttentionCase, dtype: Dtype, dO: Float64Array): readonly Stored[] => {
    const { inputs, stored, settings, o, lse } = forward(c, dtype)
    const grads = [
      blank(inputs.q.length, dtype),
      blank(inputs.k.length, dtype),
      blank(inputs.v.length, dtype),
    ]
    run('tt_attention_backward', ...grads, pack(dO, dtype), o, lse, ...stored, ...settings)
    return grads
  }

  for (const [name, c] of Object.entries(CASES)) {
    const wanted = new Map(
      DTYPES.map((dtype) => {
        const { inputs } = forward(c, dtype)
        const dO = normal(inputs.q.length, 4, dtype)
        return [dtype, { dO, grads: attentionGradients(c, inputs, dO) }]
      }),
    )
    test(`tt_attention_backward() agrees with f64: ${name}`, () => {
      onEveryMachine(() => {
        for (const dtype of DTYPES) {
          const { dO, grads } = wanted.get(dtype) ?? { dO: new Float64Array(), grads: undefined }
          const [dq, dk, dv] = gradients(c, dtype, dO)
          for (const [actual, expected] of [
            [dv, grads?.dv],
            [dk, grads?.dk],
            [dq, grads?.dq],
          ] as const) {
            // Rounded probabilities err by their share of the largest sums.
            const largest = (expected ?? new Float64Array()).reduce((m, x) => Math.max(m, Math.abs(x)), 1)
            const { rel, abs } = BACKWARD[dtype]
            expectClose(unpack(actual ?? new Float32Array()), expected ?? [], { rel, abs: abs * largest })
          }
        }
      })
    })
  }

  test('tt_attention_backward() of huge scores is finite: the largest key of a query has all of it', () => {
    const c = { ...BASE, scale: 1e10 }
    onEveryMachine(() => {
      const { inputs, o } = forward(c, F32)
      expectClose(unpack(o), attention(c, inputs).o, { rel: 1e-6, abs: 1e-6 })
      const dO = normal(inputs.q.length, 4, F32)
      const [dq, dk, dv] = gradients(c, F32, dO)
      expectClose(unpack(dv), attentionGradients(c, inputs, dO).dv, { rel: 1e-5, abs: 1e-5 })
      for (const part of [dq, dk]) expect(unpack(part).every(Number.isFinite)).toBe(true)
    })
  })

  test('the f64 gradients it is compared with agree with central differences', () => {
    const c = { ...BASE, offsetsQ: [0, 3, 7], offsetsK: [0, 3, 9], heads: 2, size: 3, softcap: 2, window: 4 }
    const { inputs } = forward(c, F32)
    const dO = normal(inputs.q.length, 4)
    const { dq, dk, dv } = attentionGradients(c, inputs, dO)
    const loss = (changed: Partial<typeof inputs>): number =>
      dot(attention(c, { ...inputs, ...changed }).o, dO)
    expectClose(
      dq,
      numericGradient((q) => loss({ q }), inputs.q),
      { rel: 1e-6, abs: 1e-8 },
    )
    expectClose(
      dk,
      numericGradient((k) => loss({ k }), inputs.k),
      { rel: 1e-6, abs: 1e-8 },
    )
    expectClose(
      dv,
      numericGradient((v) => loss({ v }), inputs.v),
      { rel: 1e-6, abs: 1e-8 },
    )
  })

  test('forward and backward give the same bits for any thread count', () => {
    const c = { ...BASE, offsetsQ: [0, 300, 420], offsetsK: [0, 300, 420], heads: 6, kvHeads: 2 }
    const seen = new Map<string, string>()
    onEveryMachine((isa) => {
      for (const dtype of DTYPES) {
        const { o, lse, inputs } = forward(c, dtype)
        const grads = gradients(c, dtype, normal(inputs.q.length, 4, dtype))
        const digest = [o, lse, ...grads].map((x) => Bun.hash(x)).join()
        expect(seen.get(`${isa} ${dtype}`) ?? digest).toBe(digest)
        seen.set(`${isa} ${dtype}`, digest)
      }
    })
  })
})

describe('arguments of attention', () => {
  const a = new Float32Array(64)
  const status = (
    offsets: Int32Array | null,
    heads = 1,
    kvHeads = 1,
    size = 4,
    window = 0,
    dtype = 0,
  ): number => {
    const tokens = offsets?.at(-1) ?? 0
    const shape = [offsets, offsets, (offsets?.length ?? 1) - 1, tokens, tokens, heads, kvHeads, size]
    return call('tt_attention_forward', a, a, a, a, a, ...shape, 1, 1, window, 0, dtype)
  }
  test('tt_attention_forward() names what is wrong', () => {
    const cases: readonly (readonly [() => number, string])[] = [
      [() => status(Int32Array.of(0, 5, 3)), 'offsets_q must not fall, but [1] is 5 and [2] is 3'],
      [() => status(Int32Array.of(1, 5)), 'offsets_q[0] must be 0, got 1'],
      [() => status(null), 'offsets_q is null'],
      [() => status(Int32Array.of(0, 2), 3, 2), 'heads (3) must be a multiple of kv_heads (2)'],
      [() => status(Int32Array.of(0, 2), 1, 1, 260), 'head_dim must be 1..256, got 260'],
      [() => status(Int32Array.of(0, 2), 1, 1, 4, -1), 'window must not be negative, got -1'],
      [() => status(Int32Array.of(0, 2), 1, 1, 4, 0, 2), 'dtype must be f32 (0) or bf16 (1), got 2'],
    ]
    for (const [attempt, message] of cases) {
      expect(attempt()).toBe(BAD_ARGUMENT)
      expect(lastError()).toBe(`tt_attention_forward: ${message}`)
    }
    expect(status(Int32Array.of(0))).toBe(0)
  })
})
