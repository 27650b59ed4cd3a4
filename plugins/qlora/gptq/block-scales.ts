/**
 * Scales of 4-bit blocks that need not be the largest magnitude, and what is left of them in the file.
 */
import { affine, type Device, noGrad, quantize8bit, scoped, tensor, type Tensor } from '../../../core/mod.ts'
import { dynamicMap } from '../../../core/ops/_codebooks.ts'
import { NESTED_BLOCK } from '../../../core/tensor/quantized-weight.ts'
import type { CodeTable } from './code-table.ts'

const { fround } = Math

/** 0.6 to 1.15 of the largest magnitude. */
const SHARES: readonly number[] = Array.from({ length: 23 }, (_, i) => 0.6 + 0.025 * i)

/** Scales as the file has them, and as they are read from it. */
export interface StoredScales {
  /** One for each block. */
  readonly values: Float32Array
  readonly parts: { readonly scale: Tensor; readonly nested: Tensor | undefined }
  readonly offset: number
}

export interface SearchOptions {
  readonly block: number
  readonly table: CodeTable
}

/**
 * For each block of the flat weight (out·in) the scale with the least Σ hᵢ·(wᵢ − s·code)², among shares of its largest magnitude. `importance`: h
 * of each column.
 */
export function searchScales(
  weight: Float32Array,
  importance: Float64Array,
  { block, table }: SearchOptions,
): Float32Array {
  const columns = importance.length
  const count = Math.ceil(weight.length / block)
  const scales = new Float32Array(count)
  for (let b = 0; b < count; b++) {
    const start = b * block
    const end = Math.min(weight.length, start + block)
    let largest = 0
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(weight[i]))
    let [best, least] = [largest, Infinity]
    if (largest > 0)
      for (const share of SHARES) {
        const scale = share * largest
        const factor = 1 / scale
        let sum = 0
        let column = start % columns
        for (let i = start; i < end && sum < least; i++) {
          const lost = weight[i] - scale * table.nearest(weight[i] * factor)
          sum += importance[column] * lost * lost
          if (++column === columns) column = 0
        }
        if (sum < least) [best, least] = [scale, sum]
      }
    scales[b] = best
  }
  return scales
}

/** The scales as they will be stored: as they are, or with double quantization. The caller owns the parts. */
export function storeScales(scales: Float32Array, doubleQuant: boolean, device: Device): StoredScales {
  if (!doubleQuant)
    return { values: scales, parts: { scale: tensor(scales, { device }), nested: undefined }, offset: 0 }
  let sum = 0
  for (const scale of scales) sum += scale
  const offset = fround(sum / scales.length)
  const parts = noGrad(() =>
    scoped(() => {
      const moved = affine(tensor(scales, { device }), { scale: 1, shift: -offset })
      const { codes, absmax } = quantize8bit(moved, { block: NESTED_BLOCK })
      return { scale: codes, nested: absmax }
    }),
  )
  const map = dynamicMap(true)
  const nested = parts.nested.toArray()
  const values = Float32Array.from(parts.scale.toArray(), (code, i) =>
    fround(fround(map[code] * nested[Math.floor(i / NESTED_BLOCK)]) + offset),
  )
  return { values, parts, offset }
}
