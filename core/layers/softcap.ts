/**
 * Gemma's cap on logits (arXiv 2408.00118, 2.2).
 */
import { affine, tanh } from '../ops/unary.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** cap·tanh(logit/cap); the logits themselves without a cap. */
export function softcapped(logits: Tensor, cap = 0): Tensor {
  return cap > 0 ? affine(tanh(affine(logits, { scale: 1 / cap })), { scale: cap }) : logits
}
