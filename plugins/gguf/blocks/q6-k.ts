/**
 * Q6_K: 256 numbers in 210 bytes: 128 bytes of low halves, 64 of high pairs, int8 scales of 16 groups, f16 d; x = d·sc·(q − 32).
 *
 * Of each half of the block (128 numbers) byte j of 32 has the number j; the high pairs of the numbers j, j + 32, j + 64, j + 96 are one
 * byte. The scale of a group is searched: for some divisions the best in the least squares, weighted by x² (ggml's `make_qx_quants`).
 */
import type { BlockFormat } from './block-format.ts'
import { nearest, readHalf, writeHalf } from './half.ts'

const scales = new Float64Array(16)
const counts = new Uint8Array(256)

export const q6_k: BlockFormat = {
  decode(bytes, out) {
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0, at = 0; i < out.length; i += 256, at += 210) {
      const d = readHalf(bytes, at + 208)
      for (let quarter = 0; quarter < 8; quarter++) {
        const half = quarter >> 2
        const inHalf = quarter & 3
        const low = at + 64 * half + 32 * (inHalf & 1)
        const high = at + 128 + 32 * half
        const to = i + 32 * quarter
        for (let group = 0; group < 2; group++) {
          const scale = Math.fround(d * signed[at + 192 + 2 * quarter + group])
          for (let j = 16 * group; j < 16 * group + 16; j++) {
            const count =
              ((bytes[low + j] >> (4 * (inHalf >> 1))) & 15) | (((bytes[high + j] >> (2 * inHalf)) & 3) << 4)
            out[to + j] = scale * (count - 32)
          }
        }
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 256, at += 210) {
      let farthest = 0
      for (let group = 0; group < 16; group++) {
        scales[group] = searchScale(values, i + 16 * group)
        if (Math.abs(scales[group]) > Math.abs(farthest)) farthest = scales[group]
      }
      if (Math.abs(farthest) < TINY) {
        out.fill(0, at, at + 210)
        continue
      }
      const d = writeHalf(out, at + 208, farthest / -128)
      for (let group = 0; group < 16; group++) {
        const scale = Math.min(127, nearest((-128 / farthest) * scales[group]))
        out[at + 192 + group] = scale
        countsOf(values, i + 16 * group, d * scale, 16 * group)
      }
      for (let half = 0; half < 2; half++)
        for (let j = 0; j < 32; j++) {
          const from = 128 * half + j
          const [a, b, c, e] = [counts[from], counts[from + 32], counts[from + 64], counts[from + 96]]
          out[at + 64 * half + j] = (a & 15) | ((c & 15) << 4)
          out[at + 64 * half + 32 + j] = (b & 15) | ((e & 15) << 4)
          out[at + 128 + 32 * half + j] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6)
        }
    }
  },
}

const TINY = 1e-15

/** The counts, 0 to 63, that are nearest with what was kept of the scale. */
function countsOf(values: Float32Array, from: number, step: number, to: number): void {
  if (step === 0) {
    counts.fill(32, to, to + 16)
    return
  }
  const inverse = 1 / step
  for (let j = 0; j < 16; j++) {
    const count = nearest(values[from + j] * inverse)
    counts[to + j] = 32 + (count < -32 ? -32 : count > 31 ? 31 : count)
  }
}

function searchScale(values: Float32Array, from: number): number {
  let largest = 0
  let signed = 0
  for (let j = from; j < from + 16; j++) {
    const size = Math.abs(values[j])
    if (size > largest) {
      largest = size
      signed = values[j]
    }
  }
  if (largest < TINY) return 0
  for (let j = 0; j < 16; j++) {
    const x = values[from + j]
    numbers[j] = x
    squares[j] = x * x
    cubes[j] = x * x * x
  }
  let scale = 0
  let best = 0
  // The plain division first; then 31.1 to 32.9 parts.
  for (let step = 0; step < 19; step++) {
    const tenths = step === 0 ? 0 : step < 10 ? step - 10 : step - 9
    divide(-(32 + 0.1 * tenths) / signed)
    const sumLX = sums[0]
    const sumLL = sums[1]
    if (sumLL > 0 && sumLX * sumLX > best * sumLL) {
      scale = sumLX / sumLL
      best = scale * sumLX
    }
  }
  return scale
}

/** The numbers of a group, and what their counts are weighted with. */
const numbers = new Float64Array(16)
const squares = new Float64Array(16)
const cubes = new Float64Array(16)

/** Σx³·l and Σx²·l² of the counts l of a division. */
const sums = new Float64Array(2)

/** The inner loop: nearly all of the time is spent here. */
function divide(divisions: number): void {
  let sumLX = 0
  let sumLL = 0
  for (let j = 0; j < 16; j++) {
    // Never negative, so that cutting off rounds.
    const count = (numbers[j] * divisions + 32.5) | 0
    const l = (count > 63 ? 63 : count) - 32
    sumLX += cubes[j] * l
    sumLL += squares[j] * l * l
  }
  sums[0] = sumLX
  sums[1] = sumLL
}
