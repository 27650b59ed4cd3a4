/**
 * TQ1_0 and TQ2_0: 256 numbers as −1, 0 or 1 times one scale, for models that were trained so (BitNet b1.58, TriLM). The scale is
 * max|x|, an f16 behind the digits.
 *
 *   TQ2_0  66 bytes: 2 bits each; of every 32 bytes the pair n of byte j is number j + 32·n
 *   TQ1_0  54 bytes: 5 digits to base 3 in a byte, as a fraction of 256: 32 bytes with a stride of 32 numbers, 16 with one of 16,
 *          and 4 bytes of 4 digits each with a stride of 4
 */
import type { BlockFormat } from './block-format.ts'
import { readHalf, writeHalf } from './half.ts'

/** Bytes, digits in each and the stride of their numbers; the parts of a TQ1_0 block, in order. */
const PARTS = [
  { bytes: 32, digits: 5 },
  { bytes: 16, digits: 5 },
  { bytes: 4, digits: 4 },
] as const
const POWERS = [1, 3, 9, 27, 81]

export const tq1_0: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 256, at += 54) {
      const scale = readHalf(bytes, at + 52)
      let [number, from] = [i, at]
      for (const { bytes: count, digits } of PARTS) {
        for (let n = 0; n < digits; n++)
          for (let m = 0; m < count; m++)
            out[number++] = (((((bytes[from + m] * POWERS[n]) & 255) * 3) >> 8) - 1) * scale
        from += count
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 256, at += 54) {
      const inverse = writeScale(values, i, out, at + 52)
      let [number, to] = [i, at]
      for (const { bytes: count, digits } of PARTS) {
        for (let m = 0; m < count; m++) {
          let fraction = 0
          for (let n = 0; n < 5; n++)
            fraction = 3 * fraction + (n < digits ? digitOf(values[number + m + n * count], inverse) : 0)
          out[to + m] = ((fraction * 256 + 242) / 243) | 0
        }
        number += digits * count
        to += count
      }
    }
  },
}

export const tq2_0: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 256, at += 66) {
      const scale = readHalf(bytes, at + 64)
      let number = i
      for (let from = at; from < at + 64; from += 32)
        for (let shift = 0; shift < 8; shift += 2)
          for (let m = 0; m < 32; m++) out[number++] = (((bytes[from + m] >> shift) & 3) - 1) * scale
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 256, at += 66) {
      const inverse = writeScale(values, i, out, at + 64)
      for (let part = 0; part < 2; part++)
        for (let m = 0; m < 32; m++) {
          const from = i + 128 * part + m
          let pairs = 0
          for (let n = 0; n < 4; n++) pairs |= digitOf(values[from + 32 * n], inverse) << (2 * n)
          out[at + 32 * part + m] = pairs
        }
    }
  },
}

/** 0, 1 or 2; the middle goes away from zero. */
function digitOf(value: number, inverse: number): number {
  const steps = Math.fround(value * inverse)
  return steps >= 0.5 ? 2 : steps <= -0.5 ? 0 : 1
}

function writeScale(values: Float32Array, from: number, out: Uint8Array, at: number): number {
  let largest = 0
  for (let j = from; j < from + 256; j++) {
    const size = Math.abs(values[j])
    if (size > largest) largest = size
  }
  writeHalf(out, at, largest)
  return largest === 0 ? 0 : Math.fround(1 / largest)
}
