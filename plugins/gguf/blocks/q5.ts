/**
 * Q5_0 and Q5_1: as Q4_0 and Q4_1 with 5 bits; the fifth bits are four bytes in front, bit j that of number j.
 *
 *   Q5_0  22 bytes: f16 d = (the number of largest size) / −16; x = (q − 16) · d
 *   Q5_1  24 bytes: f16 d = (max − min) / 31, f16 m = min; x = q · d + m
 */
import type { BlockFormat } from './block-format.ts'
import { readHalf, writeHalf } from './half.ts'
import { farthest, leastOf, mostOf } from './q4.ts'

export const q5_0: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 32, at += 22) {
      const scale = readHalf(bytes, at)
      const high = word(bytes, at + 2)
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 6 + j]
        out[i + j] = (((pair & 15) | (((high >>> j) & 1) << 4)) - 16) * scale
        out[i + j + 16] = (((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16) * scale
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 32, at += 22) {
      const scale = Math.fround(farthest(values, i) / -16)
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      writeHalf(out, at, scale)
      let fifth = 0
      for (let j = 0; j < 16; j++) {
        const a = Math.fround(Math.fround(values[i + j] * inverse) + 16.5) | 0
        const b = Math.fround(Math.fround(values[i + j + 16] * inverse) + 16.5) | 0
        const low = a > 31 ? 31 : a
        const high = b > 31 ? 31 : b
        out[at + 6 + j] = (low & 15) | ((high & 15) << 4)
        fifth |= ((low >> 4) << j) | ((high >> 4) << (j + 16))
      }
      writeWord(out, at + 2, fifth)
    }
  },
}

export const q5_1: BlockFormat = {
  decode(bytes, out) {
    for (let i = 0, at = 0; i < out.length; i += 32, at += 24) {
      const scale = readHalf(bytes, at)
      const minimum = readHalf(bytes, at + 2)
      const high = word(bytes, at + 4)
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + j]
        out[i + j] = Math.fround(((pair & 15) | (((high >>> j) & 1) << 4)) * scale) + minimum
        out[i + j + 16] = Math.fround(((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) * scale) + minimum
      }
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 32, at += 24) {
      const least = leastOf(values, i)
      const scale = Math.fround(Math.fround(mostOf(values, i) - least) / 31)
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      writeHalf(out, at, scale)
      writeHalf(out, at + 2, least)
      let fifth = 0
      for (let j = 0; j < 16; j++) {
        const a = Math.fround(Math.fround(Math.fround(values[i + j] - least) * inverse) + 0.5) | 0
        const b = Math.fround(Math.fround(Math.fround(values[i + j + 16] - least) * inverse) + 0.5) | 0
        const low = a > 31 ? 31 : a
        const high = b > 31 ? 31 : b
        out[at + 8 + j] = (low & 15) | ((high & 15) << 4)
        fifth |= ((low >> 4) << j) | ((high >> 4) << (j + 16))
      }
      writeWord(out, at + 4, fifth)
    }
  },
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}

function writeWord(out: Uint8Array, at: number, value: number): void {
  out[at] = value & 255
  out[at + 1] = (value >>> 8) & 255
  out[at + 2] = (value >>> 16) & 255
  out[at + 3] = value >>> 24
}
