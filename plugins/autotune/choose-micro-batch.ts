/**
 * The micro-batch of a run by its speed: the smallest that is nearly as fast as the fastest, as a small one leaves memory to others. Where it
 * is the whole batch of a step, what counts is what is learned in a second.
 */

/** A size and what it was measured as. */
export interface MicroBatchSpeed {
  readonly size: number
  readonly tokensPerSecond: number
}

/** Options of `chooseMicroBatch()`. */
export interface ChooseMicroBatchOptions {
  /**
   * The gradient noise scale, where each size is the whole batch of a step: a document in a batch of B is worth noise / (noise + B) of one
   * in a batch of few (McCandlish et al. 2018, arXiv 1812.06162). Default: none, every document is worth the same.
   */
  readonly noise?: number | null
}

/** Speeds that differ by less are alike: a machine has other things to do. */
const ALIKE = 0.9

/**
 * The smallest size with at least 90 % of the highest speed.
 *
 * @example
 * ```ts
 * import { chooseMicroBatch } from 'tritune/plugins/autotune'
 *
 * const speeds = [
 *   { size: 1, tokensPerSecond: 500 },
 *   { size: 4, tokensPerSecond: 950 },
 *   { size: 8, tokensPerSecond: 1000 },
 * ]
 * console.log(chooseMicroBatch(speeds)) // → 4
 * console.log(chooseMicroBatch(speeds, { noise: 2 })) // → 1
 * ```
 */
export function chooseMicroBatch(
  speeds: readonly MicroBatchSpeed[],
  { noise = null }: ChooseMicroBatchOptions = {},
): number {
  const rated = speeds.map(({ size, tokensPerSecond }) => ({
    size,
    rate: noise === null ? tokensPerSecond : (tokensPerSecond * noise) / (noise + size),
  }))
  const peak = Math.max(...rated.map(({ rate }) => rate))
  const fast = rated.filter(({ rate }) => rate >= ALIKE * peak)
  return Math.min(...fast.map(({ size }) => size))
}
