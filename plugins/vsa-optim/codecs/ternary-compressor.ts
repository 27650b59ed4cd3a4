/**
 * Gradients as −1, 0, 1 and a scale for each block (TernGrad, Wen et al. 2017, arXiv 1705.07878): 1.6 bits a number and a scale.
 */
import type { GradientCompressor } from './compressor.ts'
import { type CompressorOptions, tritCompressor } from './trit-form.ts'

/**
 * Sends all numbers, as they lie. Options and errors: `CompressorOptions`; E_VALUE for one out of its range.
 *
 * @example
 * ```ts
 * import { ternaryCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const compressor = ternaryCompressor()
 * const message = compressor.compress(Float32Array.of(2, -2, 0.1, 0))
 * console.log([...compressor.decompress(message)], message.bytes) // → [ 2, -2, 0, 0 ] 3
 * ```
 */
export function ternaryCompressor(options: CompressorOptions = {}): GradientCompressor {
  return tritCompressor({ codec: 'ternary', ratio: 1, rotation: null }, options)
}
