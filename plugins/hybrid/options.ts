/**
 * Options of `strategy: hybrid`.
 */
import {
  decimal,
  defineOptions,
  integer,
  nullable,
  oneOf,
  optional,
  type ValidatableConfig,
} from '../../core/mod.ts'
import { HYBRID_ARMS, type HybridArm } from './arms.ts'

/** How a hybrid run guesses, and how often. */
export interface HybridOptions {
  /** `auto`: whichever of them pays; `none`: plain training. */
  readonly arm: 'auto' | 'none' | HybridArm
  /** Plain steps before the first guess; null: 3 % of the run, at least 20. */
  readonly warmup: number | null
  /** Fewest steps between two guesses. */
  readonly every: number
  /** Share of the computing that guesses may take until one pays. */
  readonly exploration: number
  /** Standard errors that the gain of a guess must lie above 0. */
  readonly confidence: number
}

export const hybridOptions: ValidatableConfig<HybridOptions> = defineOptions<HybridOptions>({
  arm: optional(oneOf(['auto', 'none', ...HYBRID_ARMS]), 'auto'),
  warmup: nullable(integer({ min: 0 })),
  every: optional(integer({ min: 1 }), 16),
  exploration: optional(decimal({ min: 0, max: 1 }), 0.02),
  confidence: optional(decimal({ min: 0 }), 1.64),
})
