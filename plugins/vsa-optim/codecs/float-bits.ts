/**
 * The bits of f32 numbers, without a copy. Of magnitudes they are in the order of the numbers.
 */

/** The same memory. */
export function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length)
}

/** The same memory, little-endian as every machine that tritune runs on. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** All but the sign. */
export const MAGNITUDE = 0x7fffffff
