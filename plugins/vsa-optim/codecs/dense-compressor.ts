/**
 * All numbers as they are, in f32 or bf16: what the other codecs are compared with, and what the first and last rounds of local steps send.
 */
import { bf16ToNumber, numberToBf16 } from '../../../core/mod.ts'
import { compressorOf, type GradientCompressor } from './compressor.ts'

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
    encode(gradient, into) {
      const view = new DataView(into.buffer, into.byteOffset)
      for (let i = 0; i < gradient.length; i++)
        if (dtype === 'f32') view.setFloat32(4 * i, gradient[i], true)
        else view.setUint16(2 * i, numberToBf16(Math.max(-LARGEST, Math.min(LARGEST, gradient[i]))), true)
    },
    decode(from, into) {
      const view = new DataView(from.buffer, from.byteOffset)
      for (let i = 0; i < into.length; i++)
        into[i] = dtype === 'f32' ? view.getFloat32(4 * i, true) : bf16ToNumber(view.getUint16(2 * i, true))
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Above it bf16 rounds to Infinity. */
const LARGEST = bf16ToNumber(0x7f7f)
