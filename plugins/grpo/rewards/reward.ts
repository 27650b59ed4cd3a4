/**
 * What a reward is: a function of the completions of a step.
 */
import type { ValidatableConfig } from '../../../core/mod.ts'

/** What a reward can look at beside the completions; lists are as long as these. */
export interface RewardContext {
  /** The prompts as text, as the model saw them. */
  readonly prompts: readonly string[]
  /** The record of each prompt: every field of the line of the dataset. */
  readonly records: readonly Readonly<Record<string, unknown>>[]
  /** The tokens of each completion, with the one that ended it. */
  readonly completionIds: readonly (readonly number[])[]
  /** Whether a completion came to its end by itself. */
  readonly ended: readonly boolean[]
  /** 0-based step of the run. */
  readonly step: number
  /** Aborted when the time is up. */
  readonly signal: AbortSignal
}

/** A number for each completion; null where the reward does not apply. */
export type Rewards = readonly (number | null)[]

/**
 * A reward of a person's own, in a file that `rewards:` names: exported under the name that `reward_funcs` lists.
 *
 * @example
 * ```ts
 * import type { Reward } from 'tritune/plugins/grpo'
 *
 * export const polite: Reward = (completions) => completions.map((text) => (text.includes('please') ? 1 : 0))
 * console.log(typeof polite) // → function
 * ```
 */
export type Reward = (completions: readonly string[], context: RewardContext) => Rewards | Promise<Rewards>

/** A reward that is built in, by name. */
export interface RewardDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O): Reward | Promise<Reward>
}
