/**
 * The lengths of DoRA on layers of any kind, by the factored form; how an output is brought to them is in gained.ts.
 */
import {
  add,
  affine,
  type BaseLayer,
  matmul,
  maximum,
  mul,
  sqrt,
  sum,
  type Tensor,
  transpose,
} from '../../../core/mod.ts'
import type { Factors } from './lora-factors.ts'
import { ownProduct, timesWeight } from '../weight-product.ts'

/** The name of the trained lengths in PEFT's files. */
export const MAGNITUDE = 'lora_magnitude_vector'

const TINY = 1e-30

/** √(‖W‖² + 2s·rowdot(B, W·Aᵀ + (s/2)·B·(A·Aᵀ))) (out) f32 of a linear layer, whose rows have these squares. */
export function rowLengths(
  squares: Tensor,
  factors: Factors,
  scale: number,
  layer: Pick<BaseLayer, 'weight'>,
): Tensor {
  return factoredLengths(squares, factors, scale, ownProduct(factors, scale, layer))
}

/** The same of the columns of a table W (ids, out) and its change (B·A)ᵀ, A (r, ids). */
export function columnLengths(squares: Tensor, factors: Factors, scale: number, table: Tensor): Tensor {
  const { a, b } = factors
  const own = affine(matmul(a, a, { transposeB: true }), { scale: scale / 2 })
  const product = add(timesWeight(a, table), matmul(own, b, { transposeB: true }))
  return factoredLengths(squares, factors, scale, product)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Everything here is (r, out), which is quicker than rows of r. */
function factoredLengths(squares: Tensor, { b }: Factors, scale: number, product: Tensor): Tensor {
  const change = affine(sum(mul(transpose(b), product), { axis: 0 }), { scale: 2 * scale })
  // Rounding can leave less than nothing of a row that the change takes away.
  return sqrt(maximum(add(squares, change), TINY))
}
