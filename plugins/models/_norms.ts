/**
 * The norm before each part of a block: RMSNorm (arXiv 1910.07467), or LayerNorm with a shift (arXiv 1607.06450).
 */
import {
  addLayerNorm,
  addRmsNorm,
  type Layer,
  layerNorm,
  normOf,
  rmsNorm,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import type { WeightCollector } from './_weights.ts'

/** `rms`: one scale for each channel. `layer`: centred first, and shifted. */
export type NormKind = 'rms' | 'layer'

/** One kind of norm: how its layers are loaded, and what they compute. */
export interface Norms {
  load(weights: WeightCollector, path: string, channels: number): Layer
  apply(norm: Layer, x: Tensor): Tensor
  /** h + delta, and the norm of it, in one pass; without a delta the norm of h. */
  add(norm: Layer, h: Tensor, delta: Tensor | undefined): { readonly h: Tensor; readonly y: Tensor }
}

/** The norms of a model, all with one `eps`. */
export function normsOf(kind: NormKind, eps: number): Norms {
  return kind === 'rms' ? rmsNorms(eps) : layerNorms(eps)
}

/** Weight and bias of a norm that shifts; E_MODEL where there is no bias. */
export function shiftedNorm(layer: Layer): { readonly weight: Tensor; readonly bias: Tensor } {
  const { weight, bias } = normOf(layer)
  if (bias) return { weight, bias }
  throw new TrituneError('E_MODEL', `there is no ${layer.path}.bias`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function rmsNorms(eps: number): Norms {
  return {
    load: (weights, path, channels) => weights.norm(path, channels),
    apply: (norm, x) => rmsNorm(x, normOf(norm).weight, { eps }),
    add(norm, h, delta) {
      const { weight } = normOf(norm)
      return delta ? addRmsNorm(delta, h, weight, { eps }) : { h, y: rmsNorm(h, weight, { eps }) }
    },
  }
}

function layerNorms(eps: number): Norms {
  return {
    load: (weights, path, channels) => weights.norm(path, channels, { bias: true }),
    apply(norm, x) {
      const { weight, bias } = shiftedNorm(norm)
      return layerNorm(x, weight, bias, { eps })
    },
    add(norm, h, delta) {
      const { weight, bias } = shiftedNorm(norm)
      return delta
        ? addLayerNorm(delta, h, weight, bias, { eps })
        : { h, y: layerNorm(h, weight, bias, { eps }) }
    },
  }
}
