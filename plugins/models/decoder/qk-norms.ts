/**
 * Norms of queries and keys before they are turned.
 */
import { type Layer, reshape, type Tensor } from '../../../core/mod.ts'
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
