/**
 * Gradients of micro-batches that wait as trits: 1.6 bits a number and a scale for each block, for each micro-batch. Trits are drawn, so the mean of what
 * was kept is the mean of the gradients on average; each has the scale of its own gradient.
 *
 * A backward pass adds to f32 gradients in place, which keeps no gradient of a micro-batch at all. So this saves memory only where each has to wait by
 * itself, and noise is its price.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { GradientMessage } from '../codecs/gradient-message.ts'
import { ternaryCompressor } from '../codecs/ternary-compressor.ts'
import type { CompressorOptions } from '../codecs/trit-form.ts'

/** Bytes of what waits. */
export interface AccumulatorMemory {
  readonly bytes: number
  /** Of the same gradients in f32, each by itself; and of their sum alone. */
  readonly gradientBytes: number
  readonly sumBytes: number
}

/** Gradients of one length that wait for their mean. */
export interface TritAccumulator {
  readonly count: number
  readonly memory: AccumulatorMemory
  /** Throws E_SHAPE for another length, E_NAN for a number that is not finite; then nothing has changed. */
  add(gradient: Float32Array): void
  /** The mean of what was kept; then nothing waits any more. Throws E_USAGE where nothing does. */
  take(): Float32Array
}

/**
 * Keeps gradients of `length` numbers as trits. Throws E_VALUE for an option out of its range.
 *
 * @example
 * ```ts
 * import { tritAccumulator } from 'tritune/plugins/vsa-optim'
 *
 * const waiting = tritAccumulator(4096, { seed: 1 })
 * for (let batch = 0; batch < 8; batch++) waiting.add(new Float32Array(4096).fill(0.5))
 * const { bytes, gradientBytes, sumBytes } = waiting.memory
 * console.log(bytes, gradientBytes, sumBytes, waiting.take()[0]) // → 6576 131072 16384 0.5
 * ```
 */
export function tritAccumulator(
  length: number,
  { block, seed }: Pick<CompressorOptions, 'block' | 'seed'> = {},
): TritAccumulator {
  expectInteger('tritAccumulator', 'length', length, { min: 1 })
  const compressor = ternaryCompressor({ block, seed, rounding: 'unbiased' })
  // Draws are of the round: it goes on over all means.
  let round = 0
  let waiting: GradientMessage[] = []
  return {
    get count() {
      return waiting.length
    },
    get memory() {
      const { length: count } = waiting
      return {
        bytes: count * compressor.bytesOf(length),
        gradientBytes: 4 * length * count,
        sumBytes: 4 * length,
      }
    },
    add(gradient) {
      if (gradient.length !== length)
        throw new TrituneError('E_SHAPE', `this accumulator is for ${length} numbers, got ${gradient.length}`)
      waiting.push(compressor.compress(gradient, round))
      round++
    },
    take() {
      if (waiting.length === 0) throw new TrituneError('E_USAGE', 'there is no gradient to take the mean of')
      const mean = new Float32Array(length)
      for (const message of waiting) {
        const gradient = compressor.decompress(message)
        for (let i = 0; i < length; i++) mean[i] += gradient[i] / waiting.length
      }
      waiting = []
      return mean
    },
  }
}
