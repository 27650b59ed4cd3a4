/**
 * The activation of gpt_oss: (up + 1)·gate·σ(α·gate), with the gate cut off above and up on both sides. Gate and up are the even and the odd
 * channels of one product.
 */
import { affine, maximum, minimum, mul, reshape, sigmoid, slice, type Tensor } from '../../../core/mod.ts'

export interface ClampedGateOptions {
  /** α */
  readonly alpha: number
  readonly limit: number
}

/** both (n, 2·I) → (n, I) */
export function clampedGate(both: Tensor, { alpha, limit }: ClampedGateOptions): Tensor {
  const [rows, channels] = both.shape
  const pairs = reshape(both, [rows, channels / 2, 2])
  const part = (at: number): Tensor =>
    reshape(slice(pairs, { axis: 2, start: at, end: at + 1 }), [rows, channels / 2])
  const gate = minimum(part(0), limit)
  const up = minimum(maximum(part(1), -limit), limit)
  return mul(affine(up, { shift: 1 }), mul(gate, sigmoid(affine(gate, { scale: alpha }))))
}
