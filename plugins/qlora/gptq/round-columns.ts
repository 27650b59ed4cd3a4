/**
 * GPTQ (Frantar et al. 2022, arXiv 2210.17323): columns of a weight are rounded one after the other, and those that are left take over what the
 * rounding of each did to the outputs.
 *
 *   eⱼ = (wⱼ − qⱼ)/Rⱼⱼ,   wₖ −= eⱼ·Rⱼₖ for all k > j,   where H⁻¹ = Rᵀ·R
 */
import {
  type Device,
  type Matrix,
  matmul,
  noGrad,
  scoped,
  tensor,
  tensorScope,
  zeros,
} from '../../../core/mod.ts'
import type { CodeTable } from './code-table.ts'

/** Columns between two products on the device. */
const STRIDE = 32

/** What the columns of a weight are rounded to, and in which order. */
export interface RoundColumnsOptions {
  readonly block: number
  readonly table: CodeTable
  /** One for each block, as they are read from the file. */
  readonly scales: Float32Array
  /** Columns in the order in which they are rounded. */
  readonly order: Int32Array
  /** Of H with rows and columns in that order. */
  readonly factor: Matrix
  readonly device: Device
}

/** The code of each element of the flat weight (out·in). */
export function roundColumns(
  weight: Float32Array,
  { block, table, scales, order, factor, device }: RoundColumnsOptions,
): Uint8Array {
  const n = order.length
  const rows = weight.length / n
  const codes = new Uint8Array(weight.length)
  using _scope = tensorScope()
  return noGrad(() => {
    // Rᵀ: what a column takes from those before it is a row.
    const turned = tensor(transposedOf(factor), { shape: [n, n], device })
    const errors = zeros([n, rows], { device })
    for (let start = 0; start < n; start += STRIDE) {
      const count = Math.min(STRIDE, n - start)
      const taken = scoped(() => matmul(turned.rowsView(start, count), errors)).toArray()
      const left = new Float64Array(count * rows)
      for (let j = 0; j < count; j++)
        for (let r = 0; r < rows; r++)
          left[j * rows + r] = weight[r * n + order[start + j]] - taken[j * rows + r]
      for (let j = 0; j < count; j++) {
        const own = left.subarray(j * rows, (j + 1) * rows)
        const at = (start + j) * n + start
        const inverse = 1 / factor.data[at + j]
        for (let r = 0; r < rows; r++) {
          const i = r * n + order[start + j]
          const scale = scales[Math.floor(i / block)]
          const index = table.indexOf(scale === 0 ? 0 : own[r] / scale)
          codes[i] = table.codes[index]
          own[r] = (own[r] - scale * table.values[index]) * inverse
        }
        for (let k = j + 1; k < count; k++) {
          const share = factor.data[at + k]
          const next = left.subarray(k * rows, (k + 1) * rows)
          for (let r = 0; r < rows; r++) next[r] -= share * own[r]
        }
      }
      errors.rowsView(start, count).set(left)
    }
    return codes
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function transposedOf({ rows: n, data }: Matrix): Float32Array {
  const turned = new Float32Array(n * n)
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) turned[j * n + i] = data[i * n + j]
  return turned
}
