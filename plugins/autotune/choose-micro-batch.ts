/**
 * The micro-batch of a run by its speed: the smallest that is nearly as fast as the fastest, as a small one leaves memory to others.
 */

/** A size and what it was measured as. */
export interface MicroBatchSpeed {
  readonly size: number
  readonly tokensPerSecond: number
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
 * ```
 */
export function chooseMicroBatch(speeds: readonly MicroBatchSpeed[]): number {
  const peak = Math.max(...speeds.map(({ tokensPerSecond }) => tokensPerSecond))
  const fast = speeds.filter(({ tokensPerSecond }) => tokensPerSecond >= ALIKE * peak)
  return Math.min(...fast.map(({ size }) => size))
}
