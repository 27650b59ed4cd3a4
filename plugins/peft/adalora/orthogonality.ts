/**
 * What AdaLoRA adds to the loss so that its factors stay those of a singular value decomposition: ‖PᵀP − I‖_F, averaged over all
 * factors.
 */
import { add, affine, matmul, reshape, sqrt, square, sub, sum, type Tensor } from '../../../core/mod.ts'
import { identity } from '../rotation/constants.ts'
import { stacked, stacksOf } from './stacks.ts'

/** weight·mean of ‖AAᵀ − I‖ over a (r, in) and ‖BᵀB − I‖ over b (out, r); null: there are none. */
export function orthogonalityPenalty(
  a: readonly Tensor[],
  b: readonly Tensor[],
  weight: number,
): Tensor | null {
  const norms = [...normsOf(a, 0), ...normsOf(b, 1)]
  if (norms.length === 0) return null
  return affine(norms.reduce(add), { scale: weight / (a.length + b.length) })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Summed over the tensors of each shape; the directions are along `axis`. */
function normsOf(factors: readonly Tensor[], axis: 0 | 1): Tensor[] {
  return stacksOf(factors).map((stack) => {
    const rank = stack.shape[axis]
    const all = stacked(stack, factors)
    const products = matmul(all, all, axis === 0 ? { transposeB: true } : { transposeA: true })
    const apart = sub(products, identity(rank, all.device))
    const squares = sum(reshape(square(apart), [stack.members.length, rank * rank]), { axis: 1 })
    // Where a factor is orthogonal to the last bit its slope is 0 and not 0/0.
    return sum(sqrt(add(squares, 1e-30)))
  })
}
