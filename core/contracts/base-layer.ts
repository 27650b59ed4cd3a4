/**
 * BaseLayer: one frozen map of a model as an adapter sees it, without whatever adapters are on it.
 */
import type { Tensor } from '../tensor/tensor.ts'

export interface BaseLayer {
  /** Module path in the Hugging Face model: `model.layers.0.self_attn.q_proj`. */
  readonly path: string
  /** (out, in) */
  weight: Tensor
  /** (out) */
  bias: Tensor | null
  /** True when the checkpoint stores the weight as (in, out): GPT-2's Conv1D. */
  readonly transposed: boolean
}
