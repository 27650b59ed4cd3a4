/**
 * The options of GRPO: trl's names and defaults, as they stand under `trl:` of a run's file.
 */
import * as v from 'valibot'
import {
  decimal,
  type Field,
  flag,
  integer,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
} from '../../core/contracts/config-fields.ts'
import { type ConfigRule, defineConfig, type ValidatableConfig } from '../../core/contracts/config.ts'

/** How the losses of tokens become one number. */
export type GrpoLoss = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo'

/** What advantages are divided by: the deviation in the group, in the whole step, or nothing. */
export type RewardScale = 'group' | 'batch' | 'none'

/** A reward by name, with its options where it is a built-in one. */
export interface NamedReward {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** Options of GRPO, defaults filled in. */
export interface GrpoOptions {
  /** Completions of each prompt. */
  readonly num_generations: number
  /** Tokens of a completion at most, its end included. */
  readonly max_completion_length: number
  /** Weight of the KL divergence to the model without its adapter; 0: none. */
  readonly beta: number
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
  readonly min_p: number
  readonly repetition_penalty: number
  /** Steps on the same completions. */
  readonly num_iterations: number
  /** Ratios below 1 − epsilon and above 1 + epsilon_high give no gradient in the direction that they went. */
  readonly epsilon: number
  readonly epsilon_high: number
  /** Ratios are at most this; null: no limit. */
  readonly delta: number | null
  readonly loss_type: GrpoLoss
  readonly scale_rewards: RewardScale
  /** Completions that were cut off at `max_completion_length` are not trained on. */
  readonly mask_truncated_completions: boolean
  /** The KL divergence is weighted by the ratio. */
  readonly use_bias_correction_kl: boolean
  /** Leaves out groups whose rewards are all equal. */
  readonly skip_equal_groups: boolean
  /** null: all functions of the file of `rewards:`. */
  readonly reward_funcs: readonly NamedReward[] | null
  /** One for each reward; null: 1 each. */
  readonly reward_weights: readonly number[] | null
  /** Seconds that a reward may take for a step. */
  readonly reward_timeout: number
  /** Completions of a step that are written to completions.jsonl. */
  readonly num_completions_to_print: number
}

interface Written extends Omit<GrpoOptions, 'epsilon_high' | 'top_k' | 'min_p'> {
  readonly epsilon_high: number | null
  readonly top_k: number | null
  readonly min_p: number | null
}

const scale: Field<RewardScale, RewardScale | boolean> = v.lazy((input) =>
  typeof input === 'boolean'
    ? v.pipe(
        v.boolean(),
        v.transform((scaled): RewardScale => (scaled ? 'group' : 'none')),
      )
    : oneOf(['group', 'batch', 'none']),
) as Field<RewardScale, RewardScale | boolean>

const reward: Field<NamedReward, string | { readonly name: string }> = v.lazy((input) =>
  typeof input === 'object' && input !== null && !Array.isArray(input)
    ? v.pipe(
        v.looseObject({ name: text('the name of a reward') }),
        v.transform(({ name, ...options }): NamedReward => ({ name, options })),
      )
    : v.pipe(
        text('the name of a reward, or a mapping with "name" and options'),
        // Files of axolotl name a module of Python first.
        v.transform((name): NamedReward => ({ name: name.slice(name.lastIndexOf('.') + 1), options: {} })),
      ),
) as Field<NamedReward, string | { readonly name: string }>

const schema = v.strictObject(
  {
    num_generations: optional(integer({ min: 2 }), 8),
    max_completion_length: optional(integer({ min: 1 }), 512),
    beta: optional(decimal({ min: 0 }), 0),
    temperature: optional(decimal({ above: 0 }), 1),
    top_p: optional(decimal({ above: 0, max: 1 }), 1),
    top_k: nullable(integer({ min: 0 })),
    min_p: nullable(decimal({ min: 0, max: 1 })),
    repetition_penalty: optional(decimal({ above: 0 }), 1),
    num_iterations: optional(integer({ min: 1 }), 1),
    epsilon: optional(decimal({ min: 0, max: 1 }), 0.2),
    epsilon_high: nullable(decimal({ min: 0 })),
    delta: nullable(decimal({ above: 0 })),
    loss_type: optional(
      oneOf(['grpo', 'bnpo', 'dr_grpo', 'dapo'], { later: ['cispo', 'sapo', 'luspo', 'vespo'] }),
      'dapo',
    ),
    scale_rewards: optional(scale, 'group'),
    mask_truncated_completions: optional(flag(), false),
    use_bias_correction_kl: optional(flag(), true),
    skip_equal_groups: optional(flag(), false),
    reward_funcs: nullable(listOf(reward, 'a list of rewards')),
    reward_weights: nullable(listOf(decimal())),
    reward_timeout: optional(decimal({ above: 0 }), 60),
    num_completions_to_print: optional(integer({ min: 0 }), 4),
  },
  'expected a mapping such as { num_generations: 8 }',
)

const rules: readonly ConfigRule<Written>[] = [
  ({ min_p, top_p, repetition_penalty }) =>
    min_p !== null && min_p > 0 && (top_p < 1 || repetition_penalty !== 1)
      ? { path: ['min_p'], what: 'goes alone: top_p and repetition_penalty come before it' }
      : undefined,
  ({ delta, epsilon, epsilon_high }) =>
    delta !== null && delta <= 1 + (epsilon_high ?? epsilon)
      ? {
          path: ['delta'],
          what: `expected a number above 1 + epsilon (${1 + (epsilon_high ?? epsilon)}), got ${delta}`,
        }
      : undefined,
  ({ reward_funcs, reward_weights }) =>
    reward_funcs && reward_weights && reward_funcs.length !== reward_weights.length
      ? {
          path: ['reward_weights'],
          what: `${reward_weights.length} weights for ${reward_funcs.length} rewards`,
        }
      : undefined,
  ({ reward_funcs }) =>
    reward_funcs?.length === 0 ? { path: ['reward_funcs'], what: 'expected at least one reward' } : undefined,
]

const written: ValidatableConfig<Written> = defineConfig(schema as Field<Written>, rules)

/**
 * Checks and fills in what stands under `trl:`. Throws a `ConfigError` with a path from there.
 *
 * @example
 * ```ts
 * import { grpoOptions } from 'tritune/plugins/grpo'
 *
 * const { loss_type, epsilon_high } = grpoOptions.validate({ num_generations: 4, epsilon: 0.1 })
 * console.log(loss_type, epsilon_high) // → dapo 0.1
 * ```
 */
export const grpoOptions: ValidatableConfig<GrpoOptions> = {
  schema: v.pipe(written.schema, v.transform(completed)),
  validate: (input) => completed(written.validate(input)),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function completed(options: Written): GrpoOptions {
  const { epsilon, epsilon_high, top_k, min_p } = options
  return { ...options, epsilon_high: epsilon_high ?? epsilon, top_k: top_k ?? 0, min_p: min_p ?? 0 }
}
