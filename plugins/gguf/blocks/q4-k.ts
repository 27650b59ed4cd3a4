/**
 * Q4_K and Q5_K: 256 numbers as eight groups of 32, x = d·sc·q − dmin·m, where each group has a scale `sc` and a minimum `m` of 6 bits.
 *
 *   Q4_K  144 bytes: f16 d, f16 dmin, 12 bytes of scales and minima, 128 bytes of 4-bit q
 *   Q5_K  176 bytes: the same with 32 bytes of fifth bits before the q
 *
 * Of 32 bytes of q the low halves are one group, the high halves the next. The scale and minimum of a group are searched: for some
 * divisions of its range the best pair in the least squares, weighted by √mean(x²) + |x|, and of these the one with the smallest error.
 * It is the search of ggml (`make_qkx2_quants`) in f64, with the error from its sums.
 */
import type { BlockFormat } from './block-format.ts'
import { nearest, readHalf, writeHalf } from './half.ts'

export const q4_k: BlockFormat = {
  decode: (bytes, out) => decode(bytes, out, 144, 16, null),
  encode: (values, out) =>
    encode(values, out, { bytes: 144, most: 15, first: -1, steps: 20, low: 16, high: null }),
}

export const q5_k: BlockFormat = {
  decode: (bytes, out) => decode(bytes, out, 176, 48, 16),
  encode: (values, out) =>
    encode(values, out, { bytes: 176, most: 31, first: -0.5, steps: 15, low: 48, high: 16 }),
}

interface Layout {
  readonly bytes: number
  /** The largest q. */
  readonly most: number
  /** The first division that is tried is of `most + first` parts; each next has 0.1 more. */
  readonly first: number
  readonly steps: number
  /** Where the low four bits and the fifth bits begin. */
  readonly low: number
  readonly high: number | null
}

function decode(
  bytes: Uint8Array,
  out: Float32Array,
  blockBytes: number,
  low: number,
  high: number | null,
): void {
  for (let i = 0, at = 0; i < out.length; i += 256, at += blockBytes) {
    const d = readHalf(bytes, at)
    const dmin = readHalf(bytes, at + 2)
    for (let group = 0; group < 8; group++) {
      const scale = Math.fround(d * packedScale(bytes, at + 4, group))
      const minimum = Math.fround(dmin * packedMinimum(bytes, at + 4, group))
      const from = at + low + 32 * (group >> 1)
      const shift = 4 * (group & 1)
      const to = i + 32 * group
      for (let j = 0; j < 32; j++) {
        const fifth = high === null ? 0 : ((bytes[at + high + j] >> group) & 1) << 4
        out[to + j] = Math.fround(scale * (((bytes[from + j] >> shift) & 15) | fifth)) - minimum
      }
    }
  }
}

const scales = new Float64Array(8)
const minima = new Float64Array(8)
const counts = new Uint8Array(256)

function encode(values: Float32Array, out: Uint8Array, layout: Layout): void {
  const { bytes, most, low, high } = layout
  for (let i = 0, at = 0; i < values.length; i += 256, at += bytes) {
    let largestScale = 0
    let largestMinimum = 0
    for (let group = 0; group < 8; group++) {
      searchGroup(values, i + 32 * group, layout, group)
      if (scales[group] > largestScale) largestScale = scales[group]
      if (minima[group] > largestMinimum) largestMinimum = minima[group]
    }
    const d = writeHalf(out, at, largestScale / 63)
    const dmin = writeHalf(out, at + 2, largestMinimum / 63)
    out.fill(0, at + 4, at + bytes)
    for (let group = 0; group < 8; group++) {
      const scale = largestScale > 0 ? Math.min(63, nearest((63 / largestScale) * scales[group])) : 0
      const minimum = largestMinimum > 0 ? Math.min(63, nearest((63 / largestMinimum) * minima[group])) : 0
      packScale(out, at + 4, group, scale, minimum)
      countsOf(values, i + 32 * group, d * scale, dmin * minimum, most)
    }
    for (let pair = 0; pair < 4; pair++)
      for (let j = 0; j < 32; j++) {
        const a = counts[64 * pair + j]
        const b = counts[64 * pair + 32 + j]
        out[at + low + 32 * pair + j] = (a & 15) | ((b & 15) << 4)
        if (high !== null) out[at + high + j] |= ((a >> 4) << (2 * pair)) | ((b >> 4) << (2 * pair + 1))
      }
  }
}

/** The counts that are nearest with what was kept of scale and minimum. */
function countsOf(values: Float32Array, from: number, step: number, offset: number, most: number): void {
  const to = from & 255
  const inverse = step === 0 ? 0 : 1 / step
  for (let j = 0; j < 32; j++) {
    const count = nearest((values[from + j] + offset) * inverse)
    counts[to + j] = count < 0 ? 0 : count > most ? most : count
  }
}

/** The numbers of a group, their weights, and the products of the two. */
const numbers = new Float64Array(32)
const weights = new Float64Array(32)
const weighted = new Float64Array(32)

/** Σwl, Σwl², Σwxl of the counts l of a division. */
const sums = new Float64Array(3)

/** Finds scale and minimum (its size: it is subtracted) of 32 numbers. */
function searchGroup(
  values: Float32Array,
  from: number,
  { most, first, steps }: Layout,
  group: number,
): void {
  let least = values[from]
  let largest = least
  let squares = 0
  for (let j = from; j < from + 32; j++) {
    const x = values[j]
    if (x < least) least = x
    if (x > largest) largest = x
    squares += x * x
  }
  if (least > 0) least = 0
  if (largest === least) {
    scales[group] = 0
    minima[group] = -least
    return
  }
  const typical = Math.sqrt(squares / 32)
  let sumW = 0
  let sumX = 0
  let sumXX = 0
  for (let j = 0; j < 32; j++) {
    const x = values[from + j]
    const w = typical + Math.abs(x)
    numbers[j] = x
    weights[j] = w
    weighted[j] = w * x
    sumW += w
    sumX += w * x
    sumXX += w * x * x
  }
  let scale = (largest - least) / most
  let minimum = least
  divide(most / (largest - least), minimum, most)
  let bestError = errorOf(scale, minimum, sumW, sumX) + sumXX
  for (let step = 0; step <= steps; step++) {
    // What has been found moves the range that is divided.
    divide((most + first + 0.1 * step) / (largest - minimum), minimum, most)
    const determinant = sumW * sums[1] - sums[0] * sums[0]
    if (determinant <= 0) continue
    let thisScale = (sumW * sums[2] - sumX * sums[0]) / determinant
    let thisMinimum = (sums[1] * sumX - sums[0] * sums[2]) / determinant
    if (thisMinimum > 0) {
      thisMinimum = 0
      thisScale = sums[2] / sums[1]
    }
    const error = errorOf(thisScale, thisMinimum, sumW, sumX) + sumXX
    if (error < bestError) {
      bestError = error
      scale = thisScale
      minimum = thisMinimum
    }
  }
  scales[group] = scale
  minima[group] = -minimum
}

/** The inner loop: nearly all of the time is spent here. */
function divide(divisions: number, minimum: number, most: number): void {
  // Cutting off what was moved up by a half rounds; below zero it gives 0, or less.
  const start = 0.5 - minimum * divisions
  let sumL = 0
  let sumLL = 0
  let sumXL = 0
  for (let j = 0; j < 32; j++) {
    const count = (numbers[j] * divisions + start) | 0
    const l = count > most ? most : count < 0 ? 0 : count
    const wl = weights[j] * l
    sumL += wl
    sumLL += wl * l
    sumXL += weighted[j] * l
  }
  sums[0] = sumL
  sums[1] = sumLL
  sums[2] = sumXL
}

/** Σw(scale·l + minimum − x)² − Σwx², from the sums. */
function errorOf(scale: number, minimum: number, sumW: number, sumX: number): number {
  return (
    scale * (scale * sums[1] + 2 * minimum * sums[0] - 2 * sums[2]) + minimum * (minimum * sumW - 2 * sumX)
  )
}

/** Scale and minimum of a group, of 6 bits: those of the first four are whole bytes' low bits, the others are taken apart. */
function packedScale(bytes: Uint8Array, at: number, group: number): number {
  return group < 4
    ? bytes[at + group] & 63
    : (bytes[at + group + 4] & 15) | ((bytes[at + group - 4] >> 6) << 4)
}

function packedMinimum(bytes: Uint8Array, at: number, group: number): number {
  return group < 4
    ? bytes[at + group + 4] & 63
    : (bytes[at + group + 4] >> 4) | ((bytes[at + group] >> 6) << 4)
}

/** The bytes are zero before the first group, and groups come in order. */
function packScale(out: Uint8Array, at: number, group: number, scale: number, minimum: number): void {
  if (group < 4) {
    out[at + group] = scale
    out[at + group + 4] = minimum
    return
  }
  out[at + group + 4] = (scale & 15) | ((minimum & 15) << 4)
  out[at + group - 4] |= (scale >> 4) << 6
  out[at + group] |= (minimum >> 4) << 6
}
