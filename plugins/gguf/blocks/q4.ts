/**
 * Q4_0 and Q4_1: 32 numbers as 4-bit counts; of byte j the low half is number j, the high half j + 16.
 *
 *   Q4_0  18 bytes: f16 d = (the number of largest size) / −8; x = (q − 8) · d
 *   Q4_1  20 bytes: f16 d = (max − min) / 15, f16 m = min; x = q · d + m, product and sum each rounded to f32
 */
import type { BlockFormat } from './block-format.ts'
import { readHalf, writeHalf } from './half.ts'

export const q4_0: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 32, at += 18) {
      const scale = readHalf(bytes, at)
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 2 + j]
        out[i + j] = ((pair & 15) - 8) * scale
        out[i + j + 16] = ((pair >> 4) - 8) * scale
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 32, at += 18) {
      const scale = Math.fround(farthest(values, i) / -8)
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      writeHalf(out, at, scale)
      for (let j = 0; j < 16; j++) {
        const low = Math.fround(Math.fround(values[i + j] * inverse) + 8.5) | 0
        const high = Math.fround(Math.fround(values[i + j + 16] * inverse) + 8.5) | 0
        out[at + 2 + j] = (low > 15 ? 15 : low) | ((high > 15 ? 15 : high) << 4)
      }
    }
  },
}

export const q4_1: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 32, at += 20) {
      const scale = readHalf(bytes, at)
      const minimum = readHalf(bytes, at + 2)
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 4 + j]
        out[i + j] = Math.fround((pair & 15) * scale) + minimum
        out[i + j + 16] = Math.fround((pair >> 4) * scale) + minimum
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 32, at += 20) {
      const least = leastOf(values, i)
      const scale = Math.fround(Math.fround(mostOf(values, i) - least) / 15)
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      writeHalf(out, at, scale)
      writeHalf(out, at + 2, least)
      for (let j = 0; j < 16; j++) {
        const low = Math.fround(Math.fround(Math.fround(values[i + j] - least) * inverse) + 0.5) | 0
        const high = Math.fround(Math.fround(Math.fround(values[i + j + 16] - least) * inverse) + 0.5) | 0
        out[at + 4 + j] = (low > 15 ? 15 : low) | ((high > 15 ? 15 : high) << 4)
      }
    }
  },
}

/** Of 32 numbers the first one of the largest size, with its sign. */
export function farthest(values: Float32Array, from: number): number {
  let largest = 0
  let signed = 0
  for (let j = from; j < from + 32; j++) {
    const size = Math.abs(values[j])
    if (size > largest) {
      largest = size
      signed = values[j]
    }
  }
  return signed
}

export function leastOf(values: Float32Array, from: number): number {
  let least = values[from]
  for (let j = from + 1; j < from + 32; j++) if (values[j] < least) least = values[j]
  return least
}

export function mostOf(values: Float32Array, from: number): number {
  let most = values[from]
  for (let j = from + 1; j < from + 32; j++) if (values[j] > most) most = values[j]
  return most
}
