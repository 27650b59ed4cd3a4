/**
 * BaseLayer: one frozen map of a model as an adapter sees it, without whatever adapters are on it.
 *
 * `baseForward(layer, x)` of core/layers computes it, `denseWeight(layer)` gives its weight as a tensor.
 */
import type { LoraFactors } from '../ops/linear.ts'
import type { QuantizedWeight } from '../tensor/quantized-weight.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Device } from './device.ts'

/**
 * `linear` and `head`: x·Wᵀ + b. `embedding`: rows of W by id. `norm`: what its model scales by, (C), and shifts by; the model computes it itself,
 * `normOf(layer)` has the weights.
 */
export type LayerKind = 'linear' | 'embedding' | 'head' | 'norm'

/**
 * How a linear layer computes where that is not x·Wᵀ + b, as BitLinear of plugins/bitnet. Its weight is then what is trained and saved,
 * and `dense` says what it stands for.
 */
export interface LayerForm {
  /** `bitnet`: for errors. */
  readonly name: string
  /** What config.json of the model says as `quantization_config`. */
  readonly config: Readonly<Record<string, unknown>>
  /** y of x (…, in) with the weight and bias of the layer, and a LoRA that sees x. */
  forward(x: Tensor, layer: BaseLayer, options: { readonly lora?: LoraFactors }): Tensor
  /** The weight (out, in) that a plain layer would need: for merging and exports. E_UNSUPPORTED where none would do. */
  dense(weight: Tensor | QuantizedWeight, dtype: 'f32' | 'bf16'): Tensor
}

/** A layer that is a part of tensors of its checkpoint: of weights (count, in, out), and of biases (count, out) under the name with `_bias`. */
export interface FusedPart {
  readonly name: string
  readonly index: number
  readonly count: number
}

/**
 * One frozen map of a model as an adapter sees it: its weight, its sizes and its name, without the adapters that are
 * on it.
 */
export interface BaseLayer {
  /** Module path in the Hugging Face model: `model.layers.0.self_attn.q_proj`. */
  readonly path: string
  readonly kind: LayerKind
  /** Numbers that go in for each token; of an embedding, how many ids there are. */
  readonly inputs: number
  /** Numbers that come out for each token; of the head, how many ids there are. */
  readonly outputs: number
  /** (out, in); of an embedding (ids, out), as it is looked up; of a norm (C). */
  weight: Tensor | QuantizedWeight
  /** (out) */
  bias: Tensor | null
  /** True when the checkpoint stores the weight as (in, out): GPT-2's Conv1D. */
  readonly transposed: boolean
  readonly device: Device
  /** Path of the layer that has the same weight: of embedding and head in models that tie them. */
  readonly tiedTo: string | null
  /** How a linear layer computes; not given: x·Wᵀ + b. */
  readonly form?: LayerForm | null
  /** Where the checkpoint has several layers in one tensor: which part of it this one is. */
  readonly fused?: FusedPart | null
  /** Of an embedding: what its model multiplies its rows by, what adapters add to them included; default: 1. */
  readonly rowScale?: number
  /** Of a head: its logits are cap·tanh(logit/cap). */
  readonly softcap?: number
}
