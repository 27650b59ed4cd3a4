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

export interface DequantizeParams extends QuantizedFormat {
  readonly dtype: 'f32' | 'bf16'
}

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

/** → (out, in) f32 or bf16. No gradient: packed weights are frozen. */
export function dequantizeWeight(packed: QuantizedWeight, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  expectOptions('dequantize', packed)
  const { parts, kind, shape, block, offset } = packed
  return run(dequantizeOp, parts, { kind, shape, block, offset, dtype }).y
}
