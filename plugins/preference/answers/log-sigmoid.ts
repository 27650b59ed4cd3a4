/**
 * log σ(x) and log(1 − eˣ), exact where their textbook forms overflow or cancel.
 */
import { abs, add, affine, div, exp, log, minimum, sub, tanh, type Tensor } from '../../../core/mod.ts'

/** log σ(x) = min(x, 0) − log(1 + e^−|x|). */
export function logSigmoid(x: Tensor): Tensor {
  return sub(minimum(x, 0), log(add(exp(affine(abs(x), { scale: -1 })), 1)))
}

/** log(1 − eˣ) for x < 0: with t = tanh(x/2), 1 − eˣ is −2·t / (1 − t), which does not cancel near 0. */
export function logOneMinusExp(x: Tensor): Tensor {
  const t = tanh(affine(x, { scale: 0.5 }))
  return log(div(affine(t, { scale: -2 }), affine(t, { scale: -1, shift: 1 })))
}
