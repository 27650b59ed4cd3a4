/**
 * Quantize and Dequantize: from tensors to packed forms and back.
 */
import type { FloatDType } from '../tensor/dtype.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A packed tensor: u8 data and what is needed to read it. Owns its parts. */
export interface QuantizedTensor extends Disposable {
  /** `nf4`, `ternary`, … */
  readonly kind: string
  /** Shape of the tensor that it stands for. */
  readonly shape: Shape
  readonly bytes: number
}

/** Packs tensors. `Q` is the packed form that it makes. */
export interface Quantize<Q extends QuantizedTensor> {
  /** x f32 or bf16 → packed. */
  quantize(x: Tensor): Q
}

/** Unpacks what a quantizer packed. `Q` is the packed form that it takes. */
export interface Dequantize<Q extends QuantizedTensor> {
  /** packed → dtype (default f32). */
  dequantize(q: Q, dtype?: FloatDType): Tensor
}
