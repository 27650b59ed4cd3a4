/**
 * cast: the same numbers in another dtype. Not quantization: see plugins/quant.
 */
import type { DType } from '../tensor/dtype.ts'
import { expectKnown } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { reshape } from './movement.ts'

/** Any of f32, bf16, f16 to any other, and i32, u8, i8 to f32. */
export const castOp: Op<{ readonly x: Tensor }, { readonly dtype: DType }, { readonly y: Tensor }> = defineOp(
  {
    name: 'cast',
    outputs({ x }, { dtype }) {
      expectKnown('cast', 'dtype', dtype, SOURCES)
      expectDType('cast', `x (to ${dtype})`, x, SOURCES[dtype])
      return { y: { shape: x.shape, dtype } }
    },
    reference({ inputs: { x }, outputs: { y } }) {
      y.data.set(x.data)
    },
    // The tape converts what it delivers to the dtype of the input.
    gradient: ({ grads }) => ({ x: grads.y }),
  },
)

const FLOATS: readonly DType[] = ['f32', 'bf16', 'f16']

const SOURCES: { readonly [D in DType]: readonly DType[] } = {
  f32: ['f32', 'bf16', 'f16', 'i32', 'u8', 'i8'],
  bf16: FLOATS,
  f16: FLOATS,
  i32: [],
  u8: [],
  i8: [],
}

/**
 * x as `dtype` (f32, bf16, f16); another handle on the same memory when it is that already.
 *
 * @example
 * ```ts
 * import { cast, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(cast(tensor([1.001]), 'bf16').item()) // → 1
 * ```
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  expectTensor('cast', 'x', x)
  if (x.dtype === dtype) return reshape(x, x.shape)
  return run(castOp, { x }, { dtype }).y
}
