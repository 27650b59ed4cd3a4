/**
 * Whether a move helps: the same examples before and after it, pair by pair, so that their own differences do not count.
 */

/** What a move must reach. */
export interface GateOptions {
  /** Standard errors that the mean gain must lie above 0. */
  readonly confidence: number
  /** Gain that plain steps give for what the measurement cost. */
  readonly plainGain: number
}

/** What was measured. */
export interface Gate {
  readonly accepted: boolean
  /** Mean loss before less that after; NaN where a loss is not finite. */
  readonly gain: number
  readonly standardError: number
}

/**
 * Accepts a gain that is more than chance and more than plain steps would have given.
 */
export function pairedGate(
  before: readonly number[],
  after: readonly number[],
  { confidence, plainGain }: GateOptions,
): Gate {
  const differences = before.map((loss, i) => loss - (after[i] ?? Number.NaN))
  const n = differences.length
  const gain = differences.reduce((sum, d) => sum + d, 0) / n
  const variance = differences.reduce((sum, d) => sum + (d - gain) ** 2, 0) / (n - 1)
  const standardError = Math.sqrt(variance / n)
  return {
    accepted: n > 1 && gain - confidence * standardError > 0 && gain > plainGain,
    gain,
    standardError,
  }
}
