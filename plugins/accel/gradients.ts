/**
 * One gradient in a message and out of it, under the names of tritter-accel. The compressor is plugins/vsa-optim's; a worker that sends gradients
 * step by step wants its error feedback.
 */
import { type Shape, TrituneError } from '../../core/mod.ts'
import { type GradientMessage, vsaCompressor } from '../vsa-optim/mod.ts'
import { type FloatArray, type Floats, floatsOf } from './float-array.ts'

/**
 * The part `ratio` of a gradient's coordinates, rotated by `seed`, as trits. Throws E_VALUE for a ratio that is not above 0 and at most 1 and a
 * seed that is no whole number from 0, E_NAN for a gradient that is not finite.
 *
 * @example
 * ```ts
 * import { compressGradientsVsa, decompressGradientsVsa } from 'tritune/plugins/accel'
 *
 * const gradient = { data: Float32Array.from({ length: 4096 }, (_, i) => Math.cos(i)), shape: [64, 64] }
 * const message = compressGradientsVsa(gradient, 0.5, 42)
 * console.log(message.bytes) // → 412
 * const { data, shape } = decompressGradientsVsa(message, [64, 64], 42)
 * console.log(data.length, shape) // → 4096 [ 64, 64 ]
 * ```
 */
export function compressGradientsVsa(gradients: Floats, ratio: number, seed: number): GradientMessage {
  return vsaCompressor({ ratio, seed }).compress(floatsOf('gradients', gradients).data)
}

/** What of a gradient arrived. Throws E_SHAPE for another shape, E_VALUE for another seed, and what a damaged message gives. */
export function decompressGradientsVsa(message: GradientMessage, shape: Shape, seed: number): FloatArray {
  const size = shape.reduce((product, one) => product * one, 1)
  if (size !== message.length)
    throw new TrituneError(
      'E_SHAPE',
      `the message is of ${message.length} numbers, (${shape.join(', ')}) has ${size}`,
    )
  const { ratio, block } = message
  return { data: vsaCompressor({ ratio, block, seed }).decompress(message), shape }
}
