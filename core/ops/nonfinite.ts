/**
 * Where the first NaN or infinity is: the question after a loss that is not finite.
 */
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { CELL_BYTES, int64Bytes, readInt64 } from './_cell.ts'

/** index (an i64 in 8 bytes of u8) of the first element that is not finite, −1 for none */
export const findNonFiniteOp: Op<{ readonly x: Tensor }, null, { readonly index: Tensor }> = defineOp({
  name: 'find_nonfinite',
  outputs({ x }) {
    expectDType('find_nonfinite', 'x', x, ['f32', 'bf16'])
    return { index: { shape: [CELL_BYTES], dtype: 'u8' } }
  },
  reference({ inputs: { x }, outputs: { index } }) {
    index.data.set(int64Bytes(x.data.findIndex((value) => !Number.isFinite(value))))
  },
})

/** Index of the first element of x (f32 or bf16) that is NaN or infinite, or −1. */
export function firstNonFinite(x: Tensor): number {
  using index = run(findNonFiniteOp, { x }, null).index
  return readInt64(index)
}
