/**
 * AbsMean: weights of −1, 0, 1 and a scale for the whole matrix (BitNet b1.58, Ma et al. 2024, arXiv 2402.17764), for each
 * row or for groups of its columns, in the 2-bit packing of transformers' BitNet checkpoints.
 */
import { TrituneError } from '../errors.ts'
import { expectOptions } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import {
  expectTernaryBlock,
  quantizedWeight,
  type QuantizedWeight,
  ternaryScales,
} from '../tensor/quantized-weight.ts'
import { expectShape, formatShape } from '../tensor/shape.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'

const { fround } = Math

/** Numbers of the op `quantize_ternary`: columns that share a scale, as in `QuantizedFormat`; 0: all weights share one. */
export interface QuantizeTernaryParams {
  readonly block: number
}

/** Outputs of the op `quantize_ternary` for w (rows, cols): four weights a byte, and the scales. */
export type QuantizeTernaryOutputs = {
  readonly packed: Tensor // (rows/4, cols) u8: bits 2p and 2p+1 of (i, k) hold w[i + p·rows/4, k] + 1
  readonly scale: Tensor // (1) or (rows, cols/block) f32 = max(mean|w|, 1e-5)
}

/**
 * The op `quantize_ternary`: w f32 or bf16 (rows, cols) → two bits each. Use `quantizeTernary()`. Throws E_SHAPE
 * unless the rows are a multiple of 4.
 */
export const quantizeTernaryOp: Op<{ readonly w: Tensor }, QuantizeTernaryParams, QuantizeTernaryOutputs> =
  defineOp({
    name: 'quantize_ternary',
    outputs({ w }, { block }) {
      const [rows, cols] = w.shape
      expectDType('quantize_ternary', 'w', w, ['f32', 'bf16'])
      expectShape('quantize_ternary w', w.shape, [rows, cols])
      if (rows === 0 || cols === 0 || rows % 4 !== 0)
        throw new TrituneError(
          'E_SHAPE',
          `quantize_ternary: rows must be a multiple of 4, and none of the sizes 0, got ${formatShape(w.shape)}`,
        )
      expectTernaryBlock('quantize_ternary', block, cols)
      const scale = { shape: ternaryScales(w.shape, block), dtype: 'f32' } as const
      return { packed: { shape: [rows / 4, cols], dtype: 'u8' }, scale }
    },
    reference({ inputs: { w }, params: { block }, outputs: { packed, scale } }) {
      const run = block === 0 ? w.data.length : block
      for (const i of scale.data.keys()) scale.data[i] = absMean(w.data.subarray(i * run, (i + 1) * run))
      const quarter = packed.data.length
      for (const [i, value] of w.data.entries()) {
        // Half rounds to even: to 0. NaN is 0 too; the scale is NaN then.
        const ratio = fround(fround(value) / scale.data[Math.floor(i / run)])
        const trit = Number(ratio > 0.5) - Number(ratio < -0.5)
        packed.data[i % quarter] += (trit + 1) << (2 * Math.floor(i / quarter))
      }
    },
  })

function absMean(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += Math.abs(value)
  return Math.max(fround(sum / Math.max(1, values.length)), fround(1e-5))
}

/** Options of `quantizeTernary()`. */
export interface QuantizeTernaryOptions {
  /**
   * Columns that share a scale. 0, the default: all weights share one; `in`: one for each row; else a multiple of 64 that
   * divides `in`.
   */
  readonly block?: number
}

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
export function quantizeTernary(weight: Tensor, options: QuantizeTernaryOptions = {}): QuantizedWeight {
  expectOptions('quantize_ternary', options)
  const { block = 0 } = options
  const { packed, scale } = noGrad(() => run(quantizeTernaryOp, { w: weight }, { block }))
  return quantizedWeight({ kind: 'ternary', shape: weight.shape, parts: { data: packed, scale }, block })
}
