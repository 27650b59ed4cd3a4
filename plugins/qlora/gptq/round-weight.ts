/**
 * One weight rounded by what goes into its layer, as bytes of bitsandbytes.
 */
import {
  matmul, matrixTensor, noGrad, scoped, type Matrix, matrix, quantizedWeight, type QuantizedWeight, tensor, type Tensor, tensorScope,
} from '../../../core/mod.ts'
import { searchScales, storeScales } from './block-scales.ts'
import { codeTable } from './code-table.ts'
import { inverseFactor } from './inverse-factor.ts'
import { roundColumns } from './round-columns.ts'

export interface RoundWeightOptions {
  readonly kind: 'nf4' | 'fp4'
  readonly block: number
  readonly doubleQuant: boolean
}

/** H of a layer, made ready. */
export interface Prepared {
  readonly importance: Float64Array
  readonly order: Int32Array
  /** In that order. */
  readonly factor: Matrix
}

export const KNOBS = { damping: 0.01, actOrder: true, importance: 'diag' as 'diag' | 'inverse' }

export function prepare(h: Float32Array, n: number): Prepared {
  const diagonal = Float64Array.from({ length: n }, (_, i) => h[i * n + i])
  const mean = diagonal.reduce((a, b) => a + b, 0) / n
  const order = Int32Array.from({ length: n }, (_, i) => i)
  if (KNOBS.actOrder) order.sort((a, b) => diagonal[b] - diagonal[a])
  const damped = matrix(n, n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const [a, b] = [order[i], order[j]]
      damped.data[i * n + j] = (h[a * n + b] + h[b * n + a]) / 2 + (a === b ? KNOBS.damping * mean : 0)
    }
  const factor = inverseFactor(damped)
  const importance = diagonal.slice()
  if (KNOBS.importance === 'inverse')
    for (let i = 0; i < n; i++) {
      let sum = 0
      for (let k = 0; k <= i; k++) sum += factor.data[k * n + i] ** 2
      importance[order[i]] = 1 / sum
    }
  return { order, factor, importance }
}

/** The Rᵀ·R product with difference: W + W·G·H⁻¹ */
export function aimed(weight: Tensor, gap: Tensor, { order, factor }: Prepared): Tensor {
  const n = order.length
  const unsorted = matrix(n, n)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) unsorted.data[i * n + order[j]] = factor.data[i * n + j]
  using _scope = tensorScope()
  return noGrad(() => scoped(() => {
    const r = matrixTensor(unsorted, weight.device)
    const d = matmul(matmul(weight, gap), r, { transposeB: true })
    return matmul(d, r)
  })).alias()
}

export function roundWeight(
  weight: Tensor,
  { importance, order, factor }: Prepared,
  { kind, block, doubleQuant }: RoundWeightOptions,
): QuantizedWeight {
  const { device, shape } = weight
  const flat = weight.toArray()
  const table = codeTable(kind)
  const { values: scales, parts, offset } = storeScales(searchScales(flat, importance, { block, table }), doubleQuant, device)
  const codes = roundColumns(flat, { block, table, scales, order, factor, device })
  const packed = new Uint8Array(Math.ceil(codes.length / 2))
  for (let i = 0; i < codes.length; i++) packed[i >> 1] |= i % 2 === 0 ? codes[i] << 4 : codes[i]
  const data = tensor(packed, { dtype: 'u8', device })
  for (const part of [data, parts.scale, parts.nested]) part?.adopt(null)
  return quantizedWeight({ kind, shape, parts: { data, ...parts }, block, offset })
}
