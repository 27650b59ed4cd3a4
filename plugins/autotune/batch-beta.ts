/**
 * The decay of a second moment by what a step reads: what is to be kept when the batch changes is the tokens in which it forgets half, not
 * the steps (Marek et al. 2025, arXiv 2507.07101).
 */

/**
 * β₂ of a batch that is `factor` times the one that `beta2` is right for: β₂^factor, which has the same half-life in tokens.
 *
 * @example
 * ```ts
 * import { betaOfBatch } from 'tritune/plugins/autotune'
 *
 * console.log(betaOfBatch(0.95, 1 / 32).toFixed(4)) // → 0.9984
 * ```
 */
export function betaOfBatch(beta2: number, factor: number): number {
  return beta2 ** factor
}

/**
 * β₂ that forgets half in `halfLife` tokens, where a step reads `stepTokens`: 2^(−stepTokens / halfLife).
 *
 * @example
 * ```ts
 * import { betaOfHalfLife } from 'tritune/plugins/autotune'
 *
 * console.log(betaOfHalfLife(10_000_000, 512 * 1024).toFixed(4)) // → 0.9643
 * ```
 */
export function betaOfHalfLife(halfLife: number, stepTokens: number): number {
  return 2 ** (-stepTokens / halfLife)
}
