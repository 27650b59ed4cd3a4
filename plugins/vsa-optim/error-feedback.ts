/**
 * Error feedback (Karimireddy et al. 2019, arXiv 1901.09847): what a message did not say is added to the next gradient, so that nothing is lost
 * for good.
 *
 *   u = g + e     message = C(u)     e ← u − D(message)
 *
 * The sum of what was sent is the sum of the gradients less the last e.
 */
import { expectInteger } from '../../core/tensor/expect.ts'
import { TrituneError } from '../../core/mod.ts'
import { keptShare } from './compare-gradients.ts'
import type { GradientCompressor } from './compressor.ts'
import type { GradientMessage } from './gradient-message.ts'

/** A compressor with a memory, for gradients of one length. */
export interface FeedbackCompressor {
  /** Throws E_SHAPE for a gradient of another length; what the compressor throws changes nothing here. */
  compress(gradient: Float32Array): GradientMessage
  decompress(message: GradientMessage): Float32Array
  /** What is still to be sent; a copy. */
  readonly error: Float32Array
  /** Of the next message. */
  readonly round: number
  /** δ of the last message (`keptShare`); null before the first. */
  readonly kept: number | null
  reset(): void
}

/**
 * A compressor with error feedback for gradients of `length` numbers; each worker and each tensor has its own.
 *
 * @example
 * ```ts
 * import { vsaCompressor, withErrorFeedback } from 'tritune/plugins/vsa-optim'
 *
 * const worker = withErrorFeedback(vsaCompressor({ ratio: 0.25 }), 64)
 * const sum = new Float32Array(64)
 * const gradient = Float32Array.from(sum, (_, i) => i / 64)
 * for (let step = 0; step < 200; step++)
 *   for (const [i, x] of worker.decompress(worker.compress(gradient)).entries()) sum[i] += x
 * console.log((sum[32] / 200).toFixed(1)) // → 0.5
 * ```
 */
export function withErrorFeedback(compressor: GradientCompressor, length: number): FeedbackCompressor {
  expectInteger('withErrorFeedback', 'length', length, { min: 1 })
  let error = new Float32Array(length)
  let round = 0
  let kept: number | null = null
  return {
    compress(gradient) {
      if (gradient.length !== length)
        throw new TrituneError('E_SHAPE', `this compressor is for ${length} numbers, got ${gradient.length}`)
      const u = gradient.map((g, i) => g + error[i])
      const message = compressor.compress(u, round)
      const sent = compressor.decompress(message)
      error = u.map((value, i) => value - sent[i])
      kept = keptShare(u, sent)
      round++
      return message
    },
    decompress: (message) => compressor.decompress(message),
    get error() {
      return error.slice()
    },
    get round() {
      return round
    },
    get kept() {
      return kept
    },
    reset() {
      error = new Float32Array(length)
      round = 0
      kept = null
    },
  }
}
