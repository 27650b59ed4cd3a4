/**
 * f16 for block formats: a table of all 65536 values, and rounding by the bits of an f32, which is several times as fast as
 * going through the number.
 */
import { f16ToNumber } from '../../../core/tensor/dtype.ts'

/** All f16 values by their bits; made at first use. */
let table: Float32Array | undefined

export function halves(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToNumber(bits))
  return table
}

/** f32 bits → f16 bits, to nearest even; above 65504 it is Inf. */
export function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size >= 0x38800000) {
    if (size < 0x47800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13)
    return sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00)
  }
  // Below 2⁻¹⁴ it is a count of 2⁻²⁴; up to a half of one, none.
  if (size <= 0x33000000) return sign
  const shift = 126 - (size >>> 23)
  const digits = (size & 0x7fffff) | 0x800000
  const count = digits >>> shift
  const rest = digits & ((1 << shift) - 1)
  const middle = 1 << (shift - 1)
  return sign | (count + (rest > middle || (rest === middle && (count & 1) === 1) ? 1 : 0))
}

const number = new Float32Array(1)
const bits = new Uint32Array(number.buffer)

/** Writes a number as f16 at `at`, and returns what was written, as a number. */
export function writeHalf(out: Uint8Array, at: number, value: number): number {
  number[0] = value
  const half = halfOfBits(bits[0])
  out[at] = half & 255
  out[at + 1] = half >>> 8
  return halves()[half]
}

export function readHalf(bytes: Uint8Array, at: number): number {
  return halves()[bytes[at] | (bytes[at + 1] << 8)]
}

const MAGIC = 6755399441055744 // 1.5 · 2⁵²: adding it leaves no digits behind the point

/** The nearest whole number, to even from the middle; for sizes below 2⁵¹. */
export function nearest(value: number): number {
  return value + MAGIC - MAGIC
}
