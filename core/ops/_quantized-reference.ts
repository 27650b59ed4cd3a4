/**
 * What a packed weight stands for, and the rounding of activations to int8, as numbers: for references.
 */
import type { ReferenceArray } from '../tensor/op.ts'
import { isBlockwise, NESTED_BLOCK, type QuantizedFormat } from '../tensor/quantized-weight.ts'
import { dynamicMap, FP4, NF4, roundHalfEven } from './_codebooks.ts'

const { fround } = Math

export interface PartArrays {
  readonly data: ReferenceArray
  readonly scale: ReferenceArray
  readonly nested: ReferenceArray | undefined
}

/** The weight (out·in) as f32 numbers. */
export function unpackWeight(
  { kind, shape, block, offset }: QuantizedFormat,
  parts: PartArrays,
): Float64Array {
  const [rows, cols] = shape
  const weight = new Float64Array(rows * cols)
  const { data, scale } = parts
  if (isBlockwise(kind)) {
    const values = kind === 'nf4' ? NF4 : FP4
    const absmax = unpackScales(parts, offset)
    for (let i = 0; i < weight.length; i++) {
      const byte = data.data[i >> 1]
      weight[i] = fround(values[i % 2 === 0 ? byte >> 4 : byte & 15] * absmax[Math.floor(i / block)])
    }
  } else if (kind === 'int8') {
    for (let i = 0; i < weight.length; i++)
      weight[i] = fround(data.data[i] * fround(scale.data[Math.floor(i / cols)] / 127))
  } else {
    const quarter = (rows / 4) * cols
    const run = block === 0 ? weight.length : block
    for (let i = 0; i < weight.length; i++) {
      const trit = ((data.data[i % quarter] >> (2 * Math.floor(i / quarter))) & 3) - 1
      weight[i] = trit * scale.data[Math.floor(i / run)]
    }
  }
  return weight
}

/** The absmax of each block. */
function unpackScales({ scale, nested }: PartArrays, offset: number): Float64Array {
  if (!nested) return scale.data
  const map = dynamicMap(true)
  return scale.data.map((code, i) =>
    fround(fround(map[code] * nested.data[Math.floor(i / NESTED_BLOCK)]) + offset),
  )
}

/** One row to −127 … 127 by its largest magnitude. NaN or Inf anywhere: codes 0 and that absmax, so products are NaN. */
export function quantizeRow(x: Float64Array): { readonly codes: Float64Array; readonly absmax: number } {
  let absmax = 0
  for (const value of x) absmax = Math.max(absmax, Math.abs(value))
  const factor = fround(127 * fround(1 / absmax)) // two roundings, as on tensors of bitsandbytes
  const codes = x.map((value) => {
    const code = Math.min(127, Math.max(-127, roundHalfEven(fround(value * factor))))
    return Number.isNaN(code) || !Number.isFinite(absmax) ? 0 : code
  })
  return { codes, absmax }
}

/**
 * x (rows·cols) with every row rounded to int8 and back; columns with a magnitude of `threshold` or more stay as they
 * are and do not count for the scale. threshold 0: all are rounded.
 */
export function roundActivations(x: Float64Array, cols: number, threshold: number): Float64Array {
  const outlier = new Uint8Array(cols)
  if (threshold > 0)
    for (const [i, value] of x.entries()) if (Math.abs(value) >= threshold) outlier[i % cols] = 1
  const rounded = x.slice()
  for (let first = 0; first < x.length; first += cols) {
    const row = x.slice(first, first + cols).map((value, c) => (outlier[c] ? 0 : value))
    const { codes, absmax } = quantizeRow(row)
    for (let c = 0; c < cols; c++) if (!outlier[c]) rounded[first + c] = (codes[c] * absmax) / 127
  }
  return rounded
}
