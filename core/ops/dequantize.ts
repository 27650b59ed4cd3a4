/**
 * dequantizeWeight: a packed weight as numbers again. One f32 product and one rounding to the dtype for each number, so a bf16
 * result is what bitsandbytes gives.
 */
import { TrituneError } from '../errors.ts'
import { expectOptions, expectNumber } from '../tensor/expect.ts'
import { defineOp, type Op, run } from '../tensor/op.ts'
import {
  expectParts,
  type QuantizedFormat,
  type QuantizedParts,
  type QuantizedWeight,
} from '../tensor/quantized-weight.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { unpackWeight } from './_quantized-reference.ts'

/** Numbers of the op `dequantize`: the packed form, and the dtype of the result. */
export interface DequantizeParams extends QuantizedFormat {
  readonly dtype: 'f32' | 'bf16'
}

/**
 * The op `dequantize`: the parts of a packed weight → (out, in). Use `dequantizeWeight()`. Throws E_DTYPE for another
 * dtype than f32 and bf16, E_SHAPE for parts that do not belong to the form.
 */
export const dequantizeOp: Op<QuantizedParts, DequantizeParams, { readonly y: Tensor }> = defineOp({
  name: 'dequantize',
  outputs(parts, params) {
    expectParts('dequantize', params, parts)
    expectNumber('dequantize', 'offset', params.offset)
    if (params.dtype !== 'f32' && params.dtype !== 'bf16')
      throw new TrituneError('E_DTYPE', `dequantize: to ${String(params.dtype)}, allowed: f32, bf16`)
    return { y: { shape: params.shape, dtype: params.dtype } }
  },
  reference({ inputs, params, outputs: { y } }) {
    y.data.set(unpackWeight(params, inputs))
  },
})

/**
 * → (out, in) f32 or bf16. No gradient: packed weights are frozen.
 *
 * @example
 * ```ts
 * import { dequantizeWeight, quantizeInt8, tensor } from 'tritune/core'
 *
 * using weight = tensor([127, -127, 1, 0], { shape: [2, 2] })
 * using packed = quantizeInt8(weight)
 * using again = dequantizeWeight(packed, 'f32')
 * console.log(again.shape) // → [ 2, 2 ]
 * ```
 */
export function dequantizeWeight(packed: QuantizedWeight, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  expectOptions('dequantize', packed)
  const { parts, kind, shape, block, offset } = packed
  return run(dequantizeOp, parts, { kind, shape, block, offset, dtype }).y
}
