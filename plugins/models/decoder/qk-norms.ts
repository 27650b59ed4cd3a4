/**
 * Norms of queries and keys before they are turned.
 */
import {
  type FloatDType,
  type Layer,
  layerNorm,
  mul,
  reshape,
  type Tensor,
  tensor,
} from '../../../core/mod.ts'
import type { WeightCollector } from '../_weights.ts'
import { type NormKind, normsOf } from './norms.ts'
import type { DecoderSizes } from './sizes.ts'

/** (T, heads, D) → the same shape. */
export interface QkNorms {
  q(x: Tensor): Tensor
  k(x: Tensor): Tensor
}

/** `path` is that of the attention. */
export type LoadQkNorms = (
  weights: WeightCollector,
  path: string,
  sizes: DecoderSizes,
  eps: number,
) => QkNorms

/** One norm for every head of q, one for those of k: `q_norm` and `k_norm` (D). */
export function normEachHead(kind: NormKind = 'rms'): LoadQkNorms {
  return (weights, path, { headDim }, eps) => {
    const norms = normsOf(kind, eps)
    const q = norms.load(weights, `${path}.q_norm`, headDim)
    const k = norms.load(weights, `${path}.k_norm`, headDim)
    return { q: (x) => norms.apply(q, x), k: (x) => norms.apply(k, x) }
  }
}

/** One norm over all heads together: `q_norm` (heads·D) and `k_norm` (kvHeads·D). */
export function normAllHeads(kind: NormKind = 'rms'): LoadQkNorms {
  return (weights, path, { heads, kvHeads, headDim }, eps) => {
    const norms = normsOf(kind, eps)
    const whole = (norm: Layer, x: Tensor): Tensor =>
      reshape(norms.apply(norm, reshape(x, [x.shape[0], norm.inputs])), x.shape)
    const q = norms.load(weights, `${path}.q_norm`, heads * headDim)
    const k = norms.load(weights, `${path}.k_norm`, kvHeads * headDim)
    return { q: (x) => whole(q, x), k: (x) => whole(k, x) }
  }
}

/** A LayerNorm of each head, without a shift and with a scale of its own: (heads, D) of q, (kvHeads, D) of k. */
export function normHeadsApart(load: LoadHeadScales): LoadQkNorms {
  return (weights, path, { heads, kvHeads, headDim }, eps) => {
    const of = (part: 'q' | 'k', count: number): ((x: Tensor) => Tensor) => {
      const scales = load(weights, path, { part, heads: count, headDim })
      return (x) => {
        const ones = tensor(new Float32Array(headDim).fill(1), {
          dtype: x.dtype as FloatDType,
          device: x.device,
        })
        return mul(layerNorm(x, ones, null, { eps }), reshape(scales(), [1, count, headDim]))
      }
    }
    return { q: of('q', heads), k: of('k', kvHeads) }
  }
}

/** How the scales of all heads are loaded: (heads, D) when they are asked for. */
export type LoadHeadScales = (
  weights: WeightCollector,
  path: string,
  of: { readonly part: 'q' | 'k'; readonly heads: number; readonly headDim: number },
) => () => Tensor
