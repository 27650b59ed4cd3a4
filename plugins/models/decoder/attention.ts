/**
 * Rotary attention of a decoder: q, k and v out of one linear layer or three, normed and turned as the family has it, and the way back
 * into the stream.
 */
import {
  attention,
  attentionWithSinks,
  forwardLayer,
  type Layer,
  reshape,
  slice,
  type Tensor,
} from '../../../core/mod.ts'
import type { WeightCollector } from '../_weights.ts'
import { normsOf } from './norms.ts'
import type { Part } from './pass.ts'
import type { LoadQkNorms } from './qk-norms.ts'
import type { DecoderSizes } from './sizes.ts'

export interface AttentionTraits {
  /** Biases on q, k, v; on o. Default: none. */
  readonly qkvBias?: boolean
  readonly outputBias?: boolean
  /** q, k and v come out of one layer, `qkv_proj`, one after the other. */
  readonly fusedQkv?: boolean
  /** Of q and k before they are turned. */
  readonly qkNorm?: LoadQkNorms | null
  /** RMSNorm before the last linear layer of attention and MLP (bitnet). */
  readonly subNorms?: boolean
  /** Of the scores; default: 1/√D. */
  readonly attentionScale?: number
  /** cap·tanh(score/cap); 0: none. */
  readonly attentionSoftcap?: number
  /** Each head has one more score, `sinks` (heads), that every query sees and that brings no value (gpt_oss). */
  readonly sinks?: boolean
  /** Sliding window of a layer, 0 = none. */
  window?(layer: number): number
}

/** Where in the model an attention stands. */
export interface AttentionPlace {
  /** `model.layers.0.self_attn` */
  readonly path: string
  readonly layer: number
  readonly sizes: DecoderSizes
  readonly eps: number
}

export function loadAttention(
  weights: WeightCollector,
  place: AttentionPlace,
  traits: AttentionTraits,
): Part {
  const { path, layer, sizes, eps } = place
  const { hidden, heads, kvHeads, headDim } = sizes
  const project = (traits.fusedQkv ? fusedProjection : threeProjections)(weights, place, traits)
  const output = weights.layer(`${path}.o_proj`, heads * headDim, hidden, { bias: traits.outputBias })
  const qkNorms = traits.qkNorm?.(weights, path, sizes, eps) ?? null
  const norms = normsOf('rms', eps)
  const subNorm = traits.subNorms ? norms.load(weights, `${path}.attn_sub_norm`, heads * headDim) : null
  const { attentionScale: scale = 1 / Math.sqrt(headDim), attentionSoftcap: softcap = 0 } = traits
  const window = traits.window?.(layer) ?? 0
  const sinks = traits.sinks ? weights.tensor(`${path}.sinks`, [heads]) : null
  return (x, { batch, cache, turn }) => {
    const tokens = x.shape[0]
    const projected = project(x)
    const headsOf = (part: Tensor, count: number): Tensor => reshape(part, [tokens, count, headDim])
    const [q, k] = [headsOf(projected.q, heads), headsOf(projected.k, kvHeads)]
    const v = headsOf(projected.v, kvHeads)
    const query = turn(layer, qkNorms ? qkNorms.q(q) : q)
    const key = turn(layer, qkNorms ? qkNorms.k(k) : k)
    const past = cache?.extend(layer, key, v)
    const options = {
      offsetsQ: batch.offsets,
      offsetsK: past?.offsets ?? batch.offsets,
      scale,
      causal: true,
      window,
      softcap,
    }
    const [allKeys, values] = [past?.k ?? key, past?.v ?? v]
    const heard = sinks
      ? attentionWithSinks(query, allKeys, values, sinks, options)
      : attention(query, allKeys, values, options)
    const mixed = reshape(heard, [tokens, heads * headDim])
    return forwardLayer(output, subNorm ? norms.apply(subNorm, mixed) : mixed)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** x (T, C) → q (T, heads·D), k and v (T, kvHeads·D). */
type Projection = (x: Tensor) => { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor }

function threeProjections(
  weights: WeightCollector,
  { path, sizes: { hidden, heads, kvHeads, headDim } }: AttentionPlace,
  { qkvBias: bias }: AttentionTraits,
): Projection {
  const projection = (name: string, count: number): Layer =>
    weights.layer(`${path}.${name}`, hidden, count * headDim, { bias })
  const [q, k, v] = [
    projection('q_proj', heads),
    projection('k_proj', kvHeads),
    projection('v_proj', kvHeads),
  ]
  return (x) => ({ q: forwardLayer(q, x), k: forwardLayer(k, x), v: forwardLayer(v, x) })
}

function fusedProjection(
  weights: WeightCollector,
  { path, sizes: { hidden, heads, kvHeads, headDim } }: AttentionPlace,
  { qkvBias: bias }: AttentionTraits,
): Projection {
  const [first, each] = [heads * headDim, kvHeads * headDim]
  const qkv = weights.layer(`${path}.qkv_proj`, hidden, first + 2 * each, { bias })
  return (x) => {
    const all = forwardLayer(qkv, x)
    const part = (start: number, count: number): Tensor => slice(all, { axis: 1, start, end: start + count })
    return { q: part(0, first), k: part(first, each), v: part(first + each, each) }
  }
}
