/**
 * A text of an engine: one that grows, or one that has ended and whose keys and values are kept.
 */
import type { ActiveAdapters, Tensor } from '../../core/mod.ts'
import type { Sampling } from './_choose.ts'
import type { StepLogprobs } from './_logprobs.ts'
import type { TokenConstraint } from './token-constraint.ts'

/** A token that was chosen and not yet told. */
export interface Choice {
  readonly id: number
  readonly logprobs: StepLogprobs | null
}

export interface Text {
  /** Its row of the cache; null: its prompt has not begun. */
  row: number | null
  /** The prompt and what was made. */
  readonly history: number[]
  readonly promptLength: number
  /** Logits (1, V) f32 behind its prompt, for texts with the same one; the text owns them. */
  promptLogits: Tensor | null
  readonly sampling: Sampling
  readonly adapters: ActiveAdapters | undefined
  /** Texts with equal ones go through the same adapters. */
  readonly key: string
  /** Positions that adapters put before it. */
  readonly lead: number
  readonly constraint: TokenConstraint | null
  /** Likely tokens to tell with each token; null: not even how likely it was. */
  readonly logprobs: number | null
  /** Tokens of its prompt that were taken from another text. */
  reused: number
  made: number
  /** Chosen, not yet told. */
  next: Choice | null
}
