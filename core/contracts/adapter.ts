/**
 * Adapter: a parameter-efficient change to one frozen layer.
 */
import type { BaseLayer } from './base-layer.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface Adapter extends Disposable {
  /** `lora`, … */
  readonly kind: string
  /** x (…, in) → (…, out): the base layer and the change together, so that they can be fused. */
  forward(x: Tensor, base: BaseLayer): Tensor
  /** Trainable tensors (leaves, f32), named as PEFT names them on disk after the module path: `lora_A.weight`. */
  parameters(): Readonly<Record<string, Tensor>>
  /** (out, in) → a new (out, in) with the change folded in. */
  merge(weight: Tensor): Tensor
  /** The inverse of merge. */
  unmerge(weight: Tensor): Tensor
}
