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

/** √(‖W‖² + 2s·rowdot(B, W·Aᵀ) + s²·rowdot(B·(A·Aᵀ), B)), with wa = W·Aᵀ (out, r). */
export function factoredLengths(
  squares: Tensor,
  { a, b, wa }: Factors & { readonly wa: Tensor },
  scale: number,
): Tensor {
  const own = matmul(b, matmul(a, a, { transposeB: true }))
  const both = add(affine(wa, { scale: 2 * scale }), affine(own, { scale: scale * scale }))
  // Rounding can leave less than nothing of a row that the change takes away.
  return sqrt(maximum(add(squares, sum(mul(b, both), { axis: 1 })), TINY))
}
