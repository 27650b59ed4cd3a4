/**
 * What DoRA does on layers of any kind: the lengths by the factored form, and how an output is brought to them.
 */
import {
  add,
  affine,
  cast,
  type FloatDType,
  matmul,
  maximum,
  mul,
  sqrt,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../core/mod.ts'
import type { Factors } from './lora-factors.ts'

/** The name of the trained lengths in PEFT's files. */
export const MAGNITUDE = 'lora_magnitude_vector'

const TINY = 1e-30

/** y∘gain. In bf16 only the difference from 1 is rounded, else a gain near 1 would be none. */
export function gained(y: Tensor, gain: Tensor): Tensor {
  if (y.dtype === 'f32') return mul(y, gain)
  return add(y, mul(y, cast(sub(gain, 1), y.dtype as FloatDType)))
}

/**
 * √(‖W‖² + rowdot(B, 2s·W·Aᵀ + s²·B·(A·Aᵀ))) (out) f32. `timesWeight` gives X·Wᵀ (r, out) for X (r, in): everything here is (r, out), which is
 * quicker than rows of r.
 */
export function factoredLengths(
  squares: Tensor,
  { a, b }: Factors,
  scale: number,
  timesWeight: (x: Tensor) => Tensor,
): Tensor {
  const turned = transpose(b)
  const own = matmul(affine(matmul(a, a, { transposeB: true }), { scale: scale * scale }), turned)
  const both = add(timesWeight(affine(a, { scale: 2 * scale })), own)
  // Rounding can leave less than nothing of a row that the change takes away.
  return sqrt(maximum(add(squares, sum(mul(turned, both), { axis: 0 })), TINY))
}
