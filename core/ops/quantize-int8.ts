/**
 * AbsMax: rows of int8, each with the scale of its largest magnitude. Weights of LLM.int8 (Dettmers et al. 2022, arXiv
 * 2208.07339) and activations of BitLinear.
 */
import { expectRows } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { quantizedWeight, type QuantizedWeight } from '../tensor/quantized-weight.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { quantizeRow } from './_quantized-reference.ts'

/** Outputs of the op `quantize_int8` for x (…, C): the codes, and the largest magnitude of each row. */
export type QuantizeInt8Outputs = {
  readonly q: Tensor // (…, C) i8 = round(x·127/absmax), half to even
  readonly absmax: Tensor // (rows) f32
}

/** The op `quantize_int8`: x f32 or bf16 → rows of int8. Use `quantizeInt8()`. */
export const quantizeInt8Op: Op<{ readonly x: Tensor }, null, QuantizeInt8Outputs> = defineOp({
  name: 'quantize_int8',
  outputs({ x }) {
    expectDType('quantize_int8', 'x', x, ['f32', 'bf16'])
    expectRows('quantize_int8 x', x.shape)
    return { q: { shape: x.shape, dtype: 'i8' }, absmax: { shape: [x.rows], dtype: 'f32' } }
  },
  reference({ inputs: { x }, outputs: { q, absmax } }) {
    const rows = absmax.data.length
    const cols = x.data.length / rows
    for (let row = 0; row < rows; row++) {
      const quantized = quantizeRow(x.data.slice(row * cols, (row + 1) * cols))
      q.data.set(quantized.codes, row * cols)
      absmax.data[row] = quantized.absmax
    }
  },
})

/** x (…, C) f32 or bf16 → q of the same shape, absmax (rows). A row with NaN or Inf: q 0, and its absmax says so. */
export function quantizeRows(x: Tensor): QuantizeInt8Outputs {
  return run(quantizeInt8Op, { x }, null)
}

/**
 * weight (out, in) f32 or bf16 → packed, a scale for each row. `threshold`: that of its products, see QuantizedWeight.
 *
 * @example
 * ```ts
 * import { quantizeInt8, tensor } from 'tritune/core'
 *
 * using weight = tensor([1, -2, 0.5, 4], { shape: [2, 2] })
 * using packed = quantizeInt8(weight)
 * console.log([...packed.parts.data.toArray()]) // → [ 64, -127, 16, 127 ]
 * ```
 */
export function quantizeInt8(
  weight: Tensor,
  { threshold = 0 }: { readonly threshold?: number } = {},
): QuantizedWeight {
  const { q, absmax } = noGrad(() => quantizeRows(weight))
  return quantizedWeight({ kind: 'int8', shape: weight.shape, parts: { data: q, scale: absmax }, threshold })
}
