/**
 * Layer: one linear map of a model under the name that its checkpoint gives it; the place where adapters attach.
 */
import type { Adapter } from './adapter.ts'
import { linear } from '../ops/linear.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface Layer {
  /** Module path in the Hugging Face model: `model.layers.0.self_attn.q_proj`. */
  readonly path: string
  /** (out, in) */
  weight: Tensor
  /** (out) */
  bias: Tensor | null
  /** True when the checkpoint stores the weight as (in, out): GPT-2's Conv1D. */
  readonly transposed: boolean
  /** The change that is on this layer, if any. */
  adapter: Adapter | null
}

/** x (…, in) → (…, out), through the adapter when there is one. */
export function forwardLayer(layer: Layer, x: Tensor): Tensor {
  if (layer.adapter) return layer.adapter.forward(x, layer)
  return linear(x, layer.weight, { bias: layer.bias ?? undefined })
}
