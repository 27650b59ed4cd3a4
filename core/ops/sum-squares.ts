/**
 * Σ x² over many tensors in f64: the gradient norm. One number comes back to the host, whatever the number of tensors.
 */
import { expectList } from '../tensor/expect.ts'
import { TrituneError } from '../errors.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { type Tensor, zeros } from '../tensor/tensor.ts'
import { CELL_BYTES, float64Bytes, readFloat64 } from './_cell.ts'

/** total (an f64 in 8 bytes of u8) += Σ x² */
export const sumSquaresOp: Op<{ readonly x: Tensor }, null, { readonly total: Tensor }> = defineOp({
  name: 'sum_squares',
  outputs({ x }) {
    expectDType('sum_squares', 'x', x, ['f32', 'bf16'])
    return { total: { shape: [CELL_BYTES], dtype: 'u8' } }
  },
  accumulates: ['total'],
  reference({ inputs: { x }, outputs: { total } }) {
    let sum = readFloat64(total.data)
    for (const value of x.data) sum += value * value
    total.data.set(float64Bytes(sum))
  },
})

/** Σ x² of all elements of all tensors (f32 or bf16, on one device): a cell for `readSumSquares`, which nobody waits for. */
export function sumSquares(tensors: readonly Tensor[]): Tensor {
  expectList('sum_squares', tensors, 'it takes a list of tensors')
  for (const [i, x] of tensors.entries()) expectTensor('sum_squares', String(i), x)
  if (tensors.length === 0) throw new TrituneError('E_SHAPE', 'sum_squares: no tensors')
  const total = zeros([CELL_BYTES], { dtype: 'u8', device: tensors[0].device })
  try {
    for (const x of tensors) run(sumSquaresOp, { x }, null, { total })
    return total
  } catch (error) {
    total.dispose()
    throw error
  }
}

/** The number in the elements of such a cell. */
export function readSumSquares(values: ArrayLike<number>): number {
  return readFloat64(values)
}

/** Σ x² of all elements of all tensors (f32 or bf16, on one device); 0 for none. */
export function sumSquaresOf(tensors: readonly Tensor[]): number {
  if (tensors.length === 0) return 0
  using total = sumSquares(tensors)
  return readSumSquares(total.toArray())
}
