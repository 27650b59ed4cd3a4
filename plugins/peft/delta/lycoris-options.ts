/**
 * The options that LoHa and LoKr have in common, with PEFT's names and defaults.
 */
import { decimal, type Field, integer, mapOf, optional } from '../../../core/mod.ts'
import { patternValue } from '../attach/targets.ts'

/** Rank and strength of a change, what is dropped of it in training, and modules with another rank or strength. */
export interface LycorisOptions {
  readonly r: number
  /** The change is scaled by alpha / r. */
  readonly alpha: number
  /** Chance that an output goes without the change in a step. */
  readonly rank_dropout: number
  /** Chance that a layer goes without the change in a step. */
  readonly module_dropout: number
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
}

export const lycorisFields: { readonly [K in keyof LycorisOptions]: Field<LycorisOptions[K]> } = {
  r: optional(integer({ min: 1 }), 8),
  alpha: optional(decimal({ above: 0 }), 8),
  rank_dropout: optional(decimal({ min: 0, below: 1 }), 0),
  module_dropout: optional(decimal({ min: 0, below: 1 }), 0),
  rank_pattern: optional(mapOf(integer({ min: 1 })), {}),
  alpha_pattern: optional(mapOf(decimal({ above: 0 })), {}),
}

/** Rank and scale of one module. */
export function strengthOf(
  path: string,
  { r, alpha, rank_pattern, alpha_pattern }: LycorisOptions,
): { readonly rank: number; readonly scale: number } {
  const rank = patternValue(path, rank_pattern, r)
  return { rank, scale: patternValue(path, alpha_pattern, alpha) / rank }
}
