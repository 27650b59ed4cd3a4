/**
 * The norm before each part of a block: RMSNorm (arXiv 1910.07467), or LayerNorm with a shift (arXiv 1607.06450).
 */
import {
  addLayerNorm,
  addRmsNorm,
  affine,
  type Layer,
  layerNorm,
  normOf,
  rmsNorm,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import type { WeightCollector } from '../_weights.ts'

/**
 * `rms`: one scale for each channel. `rms-from-one`: scaled by 1 + w, as the Gemma models have it. `layer`: centred first, and shifted.
 * `layer-unshifted`: centred first.
 */
export type NormKind = 'rms' | 'rms-from-one' | 'layer' | 'layer-unshifted'

/** One kind of norm: how its layers are loaded, and what they compute. */
export interface Norms {
  load(weights: WeightCollector, path: string, channels: number): Layer
  apply(norm: Layer, x: Tensor): Tensor
  /** h + delta, and the norm of it, in one pass; without a delta the norm of h. */
  add(norm: Layer, h: Tensor, delta: Tensor | undefined): { readonly h: Tensor; readonly y: Tensor }
}

/** The norms of a model, all with one `eps`. */
export function normsOf(kind: NormKind, eps: number): Norms {
  if (kind === 'rms') return rmsNorms(eps, (norm) => normOf(norm).weight)
  if (kind === 'rms-from-one') return rmsNorms(eps, (norm) => affine(normOf(norm).weight, { shift: 1 }))
  return layerNorms(eps, { shifted: kind === 'layer' })
}

/** Weight and bias of a norm that shifts; E_MODEL where there is no bias. */
export function shiftedNorm(layer: Layer): { readonly weight: Tensor; readonly bias: Tensor } {
  const { weight, bias } = normOf(layer)
  if (bias) return { weight, bias }
  throw new TrituneError('E_MODEL', `there is no ${layer.path}.bias`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function rmsNorms(eps: number, scaleOf: (norm: Layer) => Tensor): Norms {
  return {
    load: (weights, path, channels) => weights.norm(path, channels),
    apply: (norm, x) => rmsNorm(x, scaleOf(norm), { eps }),
    add: (norm, h, delta) =>
      delta ? addRmsNorm(delta, h, scaleOf(norm), { eps }) : { h, y: rmsNorm(h, scaleOf(norm), { eps }) },
  }
}

function layerNorms(eps: number, { shifted }: { readonly shifted: boolean }): Norms {
  const partsOf = (norm: Layer): { readonly weight: Tensor; readonly bias: Tensor | null } =>
    shifted ? shiftedNorm(norm) : normOf(norm)
  const apply = (norm: Layer, x: Tensor): Tensor => {
    const { weight, bias } = partsOf(norm)
    return layerNorm(x, weight, bias, { eps })
  }
  return {
    load: (weights, path, channels) => weights.norm(path, channels, { bias: shifted }),
    apply,
    add(norm, h, delta) {
      if (!delta) return { h, y: apply(norm, h) }
      const { weight, bias } = partsOf(norm)
      return addLayerNorm(delta, h, weight, bias, { eps })
    },
  }
}
