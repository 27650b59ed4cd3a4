/**
 * Softmax attention over packed documents, in memory O(T) (FlashAttention, Dao 2023, arXiv 2307.08691): grouped heads,
 * causal mask, sliding window and score softcap. The reference holds one row of scores at a time.
 */
import { TrituneError } from '../errors.ts'
import { expectOptions, expectInteger, expectNumber, expectRank, LARGEST_SOFTCAP } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, type ReferenceArray, run } from '../tensor/op.ts'
import { expectShape, formatShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

// ---- forward ----------------------------------------------------------------------------------------------------

/**
 * Inputs of the op `attention`: H query heads share Hkv heads of keys and values (H is a multiple of Hkv), f32 or
 * bf16, all of one dtype.
 */
export type AttentionInputs = {
  readonly q: Tensor // (Tq, H, D)
  readonly k: Tensor // (Tk, Hkv, D)
  readonly v: Tensor // (Tk, Hkv, D)
  readonly offsetsQ: Tensor // (documents + 1) i32, from 0 to Tq
  readonly offsetsK: Tensor // (documents + 1) i32, from 0 to Tk
}

/** Numbers of the op `attention`; `window` and `softcap` of 0 are off. */
export interface AttentionParams {
  readonly scale: number
  /** Aligned at the end: query j of nq sees keys up to j + nk − nq. */
  readonly causal: boolean
  /** Only the last `window` of those keys; 0: all. */
  readonly window: number
  /** cap·tanh(score/cap) after the scale; 0: none. */
  readonly softcap: number
}

/** Outputs of the op `attention`: the result, and log Σ exp of the scores, which the gradient reads. */
export type AttentionOutputs = {
  readonly o: Tensor // (Tq, H, D); 0 for a query that sees nothing
  readonly lse: Tensor // (H, Tq) f32
}

/** The op `attention`. Use `attention()`; this is the value that devices implement and `host.explain()` takes. */
export const attentionForward: Op<AttentionInputs, AttentionParams, AttentionOutputs> = defineOp({
  name: 'attention',
  outputs({ q, k, v, offsetsQ, offsetsK }, params) {
    expectAttention('attention', { q, k, v, offsetsQ, offsetsK }, params)
    const [tokens, heads] = q.shape
    return { o: { shape: q.shape, dtype: q.dtype }, lse: { shape: [heads, tokens], dtype: 'f32' } }
  },
  reference({ inputs, params, outputs: { o, lse } }) {
    const { v } = inputs
    forEachQuery(inputs, params, ({ query, head, kvHead, first, scores, heads, kvHeads, size, tokens }) => {
      const at = (query * heads + head) * size
      let largest = -Infinity
      for (const score of scores) largest = Math.max(largest, score)
      let sum = 0
      for (const score of scores) sum += Math.exp(score - largest)
      lse.data[head * tokens + query] = scores.length > 0 ? largest + Math.log(sum) : -Infinity
      for (let j = 0; j < scores.length; j++) {
        const p = Math.exp(scores[j] - largest) / sum
        const value = ((first + j) * kvHeads + kvHead) * size
        for (let d = 0; d < size; d++) o.data[at + d] += p * v.data[value + d]
      }
    })
  },
  saves: ['q', 'k', 'v', 'offsetsQ', 'offsetsK', 'o', 'lse'],
  gradient({ saved: { q, k, v, offsetsQ, offsetsK, o, lse }, params, grads }) {
    if (!grads.o) return {}
    const inputs = { grad: grads.o, o, lse, q, k, v, offsetsQ, offsetsK }
    const { dq, dk, dv } = run(attentionBackward, inputs, params)
    return { q: dq, k: dk, v: dv }
  },
})

// ---- backward ---------------------------------------------------------------------------------------------------

/** Inputs of the op `attention_backward`: those of the forward pass, what it gave, and the gradient of `o`. */
export type AttentionBackwardInputs = AttentionInputs & {
  readonly grad: Tensor // (Tq, H, D), of o
  readonly o: Tensor
  readonly lse: Tensor
}

/** p = exp(s − lse);  dv = pᵀ·do;  ds = p∘(do·vᵀ − Σ do∘o);  dq = ds·k·scale;  dk = dsᵀ·q·scale */
export const attentionBackward: Op<
  AttentionBackwardInputs,
  AttentionParams,
  { readonly dq: Tensor; readonly dk: Tensor; readonly dv: Tensor }
> = defineOp({
  name: 'attention_backward',
  outputs({ grad, o, lse, q, k, v, offsetsQ, offsetsK }, params) {
    expectAttention('attention_backward', { q, k, v, offsetsQ, offsetsK }, params)
    const [tokens, heads] = q.shape
    for (const [name, one] of Object.entries({ grad, o })) {
      expectDType('attention_backward', name, one, [q.dtype])
      expectShape(`attention_backward ${name}`, one.shape, q.shape)
    }
    expectDType('attention_backward', 'lse', lse, ['f32'])
    expectShape('attention_backward lse', lse.shape, [heads, tokens])
    return {
      dq: { shape: q.shape, dtype: q.dtype },
      dk: { shape: k.shape, dtype: k.dtype },
      dv: { shape: v.shape, dtype: v.dtype },
    }
  },
  reference({ inputs, params, outputs: { dq, dk, dv } }) {
    const { grad, o, lse, q, k, v } = inputs
    const { scale, softcap } = params
    forEachQuery(inputs, params, ({ query, head, kvHead, first, scores, heads, kvHeads, size, tokens }) => {
      const at = (query * heads + head) * size
      let meanGrad = 0
      for (let d = 0; d < size; d++) meanGrad += grad.data[at + d] * o.data[at + d]
      for (let j = 0; j < scores.length; j++) {
        const key = ((first + j) * kvHeads + kvHead) * size
        const p = Math.exp(scores[j] - lse.data[head * tokens + query])
        let dp = 0
        for (let d = 0; d < size; d++) {
          dp += grad.data[at + d] * v.data[key + d]
          dv.data[key + d] += p * grad.data[at + d]
        }
        const slope = softcap > 0 ? 1 - (scores[j] / softcap) ** 2 : 1
        const ds = p * (dp - meanGrad) * slope * scale
        for (let d = 0; d < size; d++) {
          dq.data[at + d] += ds * k.data[key + d]
          dk.data[key + d] += ds * q.data[at + d]
        }
      }
    })
  },
})

// ---- function ---------------------------------------------------------------------------------------------------

/** Options of `attention()`: where documents begin, and what a query sees. `causal` is true unless said otherwise. */
export interface AttentionOptions {
  readonly offsetsQ: Tensor // (documents + 1) i32
  readonly offsetsK: Tensor // (documents + 1) i32
  readonly scale: number
  readonly causal?: boolean
  readonly window?: number
  readonly softcap?: number
}

/**
 * q (Tq, H, D), k and v (Tk, Hkv, D) → (Tq, H, D). Document i of q sees document i of k only.
 *
 * @example
 * ```ts
 * import { attention, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const q = tensor(new Float32Array(3 * 2 * 4).fill(1), { shape: [3, 2, 4] }) // 3 tokens, 2 heads of 4
 * const offsets = tensor([0, 2, 3], { dtype: 'i32' }) // two documents: tokens 0 and 1, and token 2
 * const o = attention(q, q, q, { offsetsQ: offsets, offsetsK: offsets, scale: 1 / Math.sqrt(4) })
 * console.log(o.shape) // → [ 3, 2, 4 ]
 * ```
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  expectOptions('attention', options)
  const { offsetsQ, offsetsK, scale, causal = true, window = 0, softcap = 0 } = options
  const inputs = { q, k, v, offsetsQ, offsetsK }
  const { o, lse } = run(attentionForward, inputs, { scale, causal, window, softcap })
  lse.dispose()
  return o
}

// ---- checks -----------------------------------------------------------------------------------------------------

/** What both passes ask of their inputs; that the offsets rise is seen by who reads them. */
function expectAttention(
  op: string,
  { q, k, v, offsetsQ, offsetsK }: AttentionInputs,
  { scale, window, softcap }: AttentionParams,
): void {
  expectDType(op, 'q', q, ['f32', 'bf16'])
  expectDType(op, 'k', k, [q.dtype])
  expectDType(op, 'v', v, [q.dtype])
  expectDType(op, 'offsetsQ', offsetsQ, ['i32'])
  expectDType(op, 'offsetsK', offsetsK, ['i32'])
  expectRank(`${op} q`, q.shape, 3)
  expectRank(`${op} k`, k.shape, 3)
  const [heads, size] = q.shape.slice(1)
  const [keys, kvHeads] = k.shape
  expectShape(`${op} k`, k.shape, [keys, kvHeads, size])
  expectShape(`${op} v`, v.shape, k.shape)
  expectShape(`${op} offsetsQ`, offsetsQ.shape, [Math.max(1, offsetsQ.size)])
  expectShape(`${op} offsetsK`, offsetsK.shape, offsetsQ.shape)
  if (heads < 1 || kvHeads < 1 || size < 1)
    throw new TrituneError(
      'E_SHAPE',
      `${op}: heads and their size must not be 0, got ${formatShape(q.shape)} and ${formatShape(k.shape)}`,
    )
  if (heads % kvHeads !== 0)
    throw new TrituneError('E_SHAPE', `${op}: ${heads} query heads do not divide into ${kvHeads} key heads`)
  expectNumber(op, 'scale', scale)
  expectInteger(op, 'window', window)
  expectNumber(op, 'softcap', softcap, { min: 0, max: LARGEST_SOFTCAP })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface QueryVisit {
  readonly query: number
  readonly head: number
  readonly kvHead: number
  /** Index of the first key that this query sees; scores[j] belongs to key first + j. */
  readonly first: number
  readonly scores: Float64Array
  readonly heads: number
  readonly kvHeads: number
  readonly size: number
  readonly tokens: number
}

interface ScoredArrays {
  readonly q: ReferenceArray
  readonly k: ReferenceArray
  readonly offsetsQ: ReferenceArray
  readonly offsetsK: ReferenceArray
}

function forEachQuery(
  { q, k, offsetsQ, offsetsK }: ScoredArrays,
  { scale, causal, window, softcap }: AttentionParams,
  visit: (query: QueryVisit) => void,
): void {
  const [tokens, heads, size] = q.shape
  const [keys, kvHeads] = k.shape
  expectOffsets('offsetsQ', offsetsQ.data, tokens)
  expectOffsets('offsetsK', offsetsK.data, keys)
  for (let document = 0; document + 1 < offsetsQ.data.length; document++) {
    const [firstQ, endQ] = offsetsQ.data.subarray(document, document + 2)
    const [firstK, endK] = offsetsK.data.subarray(document, document + 2)
    for (let query = firstQ; query < endQ; query++) {
      // The position of this query among the keys.
      const own = endK - (endQ - query)
      const end = causal ? Math.min(endK, own + 1) : endK
      const first = window > 0 ? Math.max(firstK, (causal ? own + 1 : endK) - window) : firstK
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads))
        const scores = new Float64Array(Math.max(0, end - first))
        for (let j = 0; j < scores.length; j++) {
          let dot = 0
          for (let d = 0; d < size; d++)
            dot +=
              q.data[(query * heads + head) * size + d] * k.data[((first + j) * kvHeads + kvHead) * size + d]
          scores[j] = softcap > 0 ? softcap * Math.tanh((dot * scale) / softcap) : dot * scale
        }
        visit({ query, head, kvHead, first, scores, heads, kvHeads, size, tokens })
      }
    }
  }
}

function expectOffsets(name: string, offsets: Float64Array, end: number): void {
  const sorted = offsets.every((offset, i) => i === 0 || offset >= offsets[i - 1])
  if (offsets[0] !== 0 || offsets.at(-1) !== end || !sorted)
    throw new TrituneError(
      'E_SHAPE',
      `attention: ${name} must rise from 0 to ${end}, got ${offsets.join(', ')}`,
    )
}
