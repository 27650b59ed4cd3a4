/**
 * Q8_0: 32 numbers in 34 bytes: f16 d = max|x| / 127, then int8 q = x / d, half away from zero; x = q · d.
 */
import type { BlockFormat } from './block-format.ts'
import { nearest, readHalf, writeHalf } from './half.ts'

export const q8_0: BlockFormat = {
  decode(bytes, out) {
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0, at = 0; i < out.length; i += 32, at += 34) {
      const scale = readHalf(bytes, at)
      for (let j = 0; j < 32; j++) out[i + j] = signed[at + 2 + j] * scale
    }
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i += 32, at += 34) {
      let largest = 0
      for (let j = 0; j < 32; j++) {
        const size = Math.abs(values[i + j])
        if (size > largest) largest = size
      }
      const scale = Math.fround(largest / 127)
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      writeHalf(out, at, scale)
      for (let j = 0; j < 32; j++) {
        const steps = Math.fround(values[i + j] * inverse)
        let count = nearest(steps)
        // The middle goes away from zero; a choice by the sign of every number would cost more than all else.
        if (Math.abs(steps - count) === 0.5) count = steps < 0 ? steps - 0.5 : steps + 0.5
        out[at + 2 + j] = count | 0
      }
    }
  },
}
