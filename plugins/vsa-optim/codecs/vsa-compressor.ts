/**
 * Gradients as hypervectors of trits: the signs of a block are flipped by a hash, a Hadamard transform spreads each number over all coordinates, and
 * a part of those is sent as trits. O(n log n), no matrix is stored; the projection is its own transpose.
 *
 * Spread so, a few large numbers no longer decide what is rounded to 0, and any part of the coordinates says as much as another. One message is one
 * gradient; bundling several into one vector, as vsa-optim-rs does, mixes them up.
 */
import type { GradientCompressor } from './compressor.ts'
import { type CompressorOptions, tritCompressor } from './trit-form.ts'
import { hadamard } from './hadamard.ts'
import { flipSigns, hashedWords } from './hashed-words.ts'

/** Options of `vsaCompressor()`. */
export interface VsaCompressorOptions extends CompressorOptions {
  /** The part of the coordinates that a message holds, above 0 and at most 1; default 1. Rounds take turns, so 1/ratio of them send all. */
  readonly ratio?: number
}

/**
 * Errors: E_VALUE for an option out of its range; those of `GradientCompressor`.
 *
 * @example
 * ```ts
 * import { createRandom } from 'tritune/core'
 * import { keptShare, vsaCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const random = createRandom(1)
 * const gradient = Float32Array.from({ length: 8192 }, () => random.normal() ** 3) // a few are large
 * const compressor = vsaCompressor({ seed: 7 })
 * const message = compressor.compress(gradient)
 * console.log((4 * gradient.length) / message.bytes > 19) // → true
 * console.log(keptShare(gradient, compressor.decompress(message)) > 0.75) // → true
 * ```
 */
export function vsaCompressor({ ratio = 1, ...options }: VsaCompressorOptions = {}): GradientCompressor {
  const { seed = 0 } = options
  const signs = (x: Float64Array, block: number): Uint32Array =>
    hashedWords({ seed, purpose: 'signs', round: 0, block }, Math.ceil(x.length / 32))
  const rotation = {
    forward(x: Float64Array, block: number) {
      flipSigns(x, signs(x, block))
      hadamard(x)
    },
    back(x: Float64Array, block: number) {
      hadamard(x)
      flipSigns(x, signs(x, block))
    },
  }
  return tritCompressor({ codec: 'vsa', ratio, rotation }, options)
}
