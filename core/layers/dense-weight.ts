/**
 * The weight of a layer as a tensor, whatever it is stored as.
 */
import type { BaseLayer } from '../contracts/base-layer.ts'
import { dequantizeWeight } from '../ops/dequantize.ts'
import type { QuantizedWeight } from '../tensor/quantized-weight.ts'
import { noGrad } from '../tensor/tape.ts'
import { Tensor } from '../tensor/tensor.ts'

/** Whether the weight of a layer is packed (nf4, fp4, int8, ternary) and not a tensor. */
export function isQuantized(weight: Tensor | QuantizedWeight): weight is QuantizedWeight {
  return !(weight instanceof Tensor)
}

/** Another handle on the weight, or what a packed one, or that of a form, stands for in `dtype`. A frozen weight: nothing is recorded. */
export function denseWeight(
  { weight, form }: Pick<BaseLayer, 'weight' | 'form'>,
  dtype: 'f32' | 'bf16' = 'f32',
): Tensor {
  if (form) return noGrad(() => form.dense(weight, dtype))
  return isQuantized(weight) ? noGrad(() => dequantizeWeight(weight, dtype)) : weight.view()
}
