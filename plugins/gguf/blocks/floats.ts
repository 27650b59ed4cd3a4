/**
 * F32, F16 and BF16: a block is one number.
 */
import type { BlockFormat } from './block-format.ts'
import { halfOfBits, halves } from './half.ts'

export const f32: BlockFormat = {
  decode(bytes, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes)
  },
  encode(values, out) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  },
}

export const f16: BlockFormat = {
  decode(bytes, out) {
    const half = halves()
    for (let i = 0, at = 0; i < out.length; i++, at += 2) out[i] = half[bytes[at] | (bytes[at + 1] << 8)]
  },
  encode(values, out) {
    const bits = bitsOf(values)
    for (let i = 0, at = 0; i < bits.length; i++, at += 2) {
      const half = halfOfBits(bits[i])
      out[at] = half & 255
      out[at + 1] = half >>> 8
    }
  },
}

export const bf16: BlockFormat = {
  decode(bytes, out) {
    const bits = bitsOf(out)
    for (let i = 0, at = 0; i < bits.length; i++, at += 2) bits[i] = (bytes[at] << 16) | (bytes[at + 1] << 24)
  },
  /** To nearest even. */
  encode(values, out) {
    const bits = bitsOf(values)
    for (let i = 0, at = 0; i < bits.length; i++, at += 2) {
      const rounded = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16
      out[at] = rounded & 255
      out[at + 1] = (rounded >>> 8) & 255
    }
  },
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}
