/**
 * All numbers as they are, in f32 or bf16: what the other codecs are compared with, and what the first and last rounds of local steps send.
 */
import { compressorOf, type GradientCompressor } from './compressor.ts'
import { bitsOf, bytesOf, MAGNITUDE } from './float-bits.ts'

/**
 * `f32` loses nothing, `bf16` all but 8 bits of each number.
 *
 * @example
 * ```ts
 * import { denseCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const x = Float32Array.of(1 / 3)
 * for (const dtype of ['f32', 'bf16'] as const) {
 *   const compressor = denseCompressor(dtype)
 *   console.log(compressor.decompress(compressor.compress(x))[0] === x[0]) // → true
 *                                                                          // → false
 * }
 * ```
 */
export function denseCompressor(dtype: 'f32' | 'bf16' = 'f32'): GradientCompressor {
  const settings = {
    codec: dtype === 'f32' ? 'dense' : 'bf16',
    seed: 0,
    block: 1,
    ratio: 1,
    rank: 0,
  } as const
  const width = dtype === 'f32' ? 4 : 2
  return compressorOf({
    settings,
    bytesOf: (length) => width * length,
    encode: dtype === 'f32' ? (gradient, into) => into.set(bytesOf(gradient)) : writeBf16,
    decode(from, into) {
      if (dtype === 'f32') bytesOf(into).set(from)
      else readBf16(from, into)
      return false
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The bits of the largest bf16, as an f32: above it bf16 rounds to Infinity. */
const LARGEST = 0x7f7f0000

/** To the nearest, of two to the even one. */
function writeBf16(gradient: Float32Array, into: Uint8Array): void {
  const numbers = bitsOf(gradient)
  for (let i = 0; i < numbers.length; i++) {
    const bits = numbers[i]
    const size = Math.min(bits & MAGNITUDE, LARGEST)
    const half = (size + 0x7fff + ((size >>> 16) & 1)) >>> 16
    into[2 * i] = half
    into[2 * i + 1] = (half >>> 8) | ((bits >>> 24) & 0x80)
  }
}

function readBf16(from: Uint8Array, into: Float32Array): void {
  const numbers = bitsOf(into)
  for (let i = 0; i < numbers.length; i++) numbers[i] = (from[2 * i] << 16) | (from[2 * i + 1] << 24)
}
