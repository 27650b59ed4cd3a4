/**
 * AbsMean: weights of −1, 0, 1 and one scale for the whole matrix (BitNet b1.58, Ma et al. 2024, arXiv 2402.17764), in
 * the 2-bit packing of transformers' BitNet checkpoints.
 */
import { TrituneError } from '../errors.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { quantizedWeight, type QuantizedWeight } from '../tensor/quantized-weight.ts'
import { expectShape, formatShape } from '../tensor/shape.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'

const { fround } = Math

/** Outputs of the op `quantize_ternary` for w (rows, cols): four weights a byte, and the one scale. */
export type QuantizeTernaryOutputs = {
  readonly packed: Tensor // (rows/4, cols) u8: bits 2p and 2p+1 of (i, k) hold w[i + p·rows/4, k] + 1
  readonly scale: Tensor // (1) f32 = max(mean|w|, 1e-5)
}

/**
 * The op `quantize_ternary`: w f32 or bf16 (rows, cols) → two bits each. Use `quantizeTernary()`. Throws E_SHAPE
 * unless the rows are a multiple of 4.
 */
export const quantizeTernaryOp: Op<{ readonly w: Tensor }, null, QuantizeTernaryOutputs> = defineOp({
  name: 'quantize_ternary',
  outputs({ w }) {
    const [rows, cols] = w.shape
    expectDType('quantize_ternary', 'w', w, ['f32', 'bf16'])
    expectShape('quantize_ternary w', w.shape, [rows, cols])
    if (rows === 0 || cols === 0 || rows % 4 !== 0)
      throw new TrituneError(
        'E_SHAPE',
        `quantize_ternary: rows must be a multiple of 4, and none of the sizes 0, got ${formatShape(w.shape)}`,
      )
    return { packed: { shape: [rows / 4, cols], dtype: 'u8' }, scale: { shape: [1], dtype: 'f32' } }
  },
  reference({ inputs: { w }, outputs: { packed, scale } }) {
    let sum = 0
    for (const value of w.data) sum += Math.abs(value)
    const mean = Math.max(fround(sum / Math.max(1, w.data.length)), fround(1e-5))
    scale.data[0] = mean
    const quarter = packed.data.length
    for (const [i, value] of w.data.entries()) {
      // Half rounds to even: to 0. NaN is 0 too; the scale is NaN then.
      const ratio = fround(fround(value) / mean)
      const trit = Number(ratio > 0.5) - Number(ratio < -0.5)
      packed.data[i % quarter] += (trit + 1) << (2 * Math.floor(i / quarter))
    }
  },
})

/**
 * weight (out, in) f32 or bf16, out a multiple of 4 → packed.
 *
 * @example
 * ```ts
 * import { dequantizeWeight, quantizeTernary, tensor } from 'tritune/core'
 *
 * using weight = tensor([1, -1, 1, -1], { shape: [4, 1] })
 * using packed = quantizeTernary(weight)
 * using again = dequantizeWeight(packed)
 * console.log([...again.toArray()]) // → [ 1, -1, 1, -1 ]
 * ```
 */
export function quantizeTernary(weight: Tensor): QuantizedWeight {
  const { packed, scale } = noGrad(() => run(quantizeTernaryOp, { w: weight }, null))
  return quantizedWeight({ kind: 'ternary', shape: weight.shape, parts: { data: packed, scale } })
}
