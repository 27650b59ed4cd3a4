/**
 * What is compared: a way to train an adapter. What is not said is AdamW, plain steps, and all rows of a step at once.
 */
import type { GradientTransform, JsonValue, Strategy, StrategyRun } from '../../../core/mod.ts'

/** A way to train. */
export interface Method {
  readonly name: string
  /** All that its runs depend on besides `sources`: what finished runs are found again by. */
  readonly settings: Readonly<Record<string, JsonValue>>
  /** The modules that do it. */
  readonly sources: readonly string[]
  readonly optimizer?: () => GradientTransform
  readonly strategy?: (run: StrategyRun) => Strategy
  /** Where its search for a rate begins, beside that of AdamW: what is known of it. */
  readonly rateFactor?: number
  /** Into so many steps the rows of a step are divided. */
  readonly parts?: number
  /** Steps in which a method has as many backward passes as AdamW in `steps`. */
  readonly stepsFor?: (steps: number) => number
  /** Speed beside the tuned AdamW that must not be missed. */
  readonly floor?: number
}

/** The control of all. */
export const ADAMW: Method = { name: 'adamw', settings: { optimizer: 'adamw' }, sources: [] }
