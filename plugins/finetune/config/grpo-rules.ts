/**
 * `rl: grpo` in a run's file: what stands under `trl:`, and what goes with it.
 */
import { ConfigError, type ConfigFailure, type ConfigRule } from '../../../core/contracts/config.ts'
import { DATASET_TYPES } from '../../data/mod.ts'
import { type GrpoOptions, grpoOptions, sortTrl } from '../../grpo/mod.ts'
import type { FinetuneFields } from './finetune-options.ts'

/** The options of a file that all rules have passed; null without `rl: grpo`. */
export function grpoOf({ rl, trl }: Pick<FinetuneFields, 'rl' | 'trl'>): GrpoOptions | null {
  return rl === 'grpo' ? grpoOptions.validate(sortTrl(trl ?? {}).kept) : null
}

/** Keys under `trl:` that change nothing. */
export function grpoNotes({ rl, trl, sample_packing }: FinetuneFields): string[] {
  if (rl !== 'grpo') return []
  const packing = sample_packing
    ? ['sample_packing is ignored: completions are packed without padding in any case']
    : []
  return [...sortTrl(trl ?? {}).notes, ...packing]
}

export const grpoRules: readonly ConfigRule<FinetuneFields>[] = [
  ({ rl, trl }) => (rl === null && trl !== null ? { path: ['trl'], what: 'needs rl: grpo' } : undefined),
  ({ rl, rewards }) =>
    rl === null && rewards !== null ? { path: ['rewards'], what: 'needs rl: grpo' } : undefined,
  ({ rl, trl }) => (rl === 'grpo' ? optionFailures(trl ?? {}) : undefined),
  wholeGroups,
  prompts,
  ({ rl, val_set_size, test_datasets }) =>
    rl === 'grpo' && (val_set_size > 0 || test_datasets.length > 0)
      ? {
          path: [val_set_size > 0 ? 'val_set_size' : 'test_datasets'],
          what: 'evaluations of rewards are not there yet',
          remedy: 'take it out: reward of each step is in metrics.jsonl',
        }
      : undefined,
  ({ rl, streaming }) =>
    rl === 'grpo' && streaming
      ? { path: ['streaming'], what: 'streams of prompts are not there yet' }
      : undefined,
  ({ rl, reward_model, kd_teacher }) =>
    rl === 'grpo' && (reward_model === true || kd_teacher !== null)
      ? {
          path: [kd_teacher === null ? 'reward_model' : 'kd_teacher'],
          what: 'give either it or rl: grpo, not both',
        }
      : undefined,
  ({ rl, objective }) =>
    rl === 'grpo' && objective.name !== 'cross_entropy'
      ? { path: ['objective'], what: 'rl: grpo has a loss of its own (trl.loss_type)' }
      : undefined,
]

// ---- helpers ----------------------------------------------------------------------------------------------------

function optionFailures(trl: Readonly<Record<string, unknown>>): ConfigFailure[] {
  const { kept, failures } = sortTrl(trl)
  const all = [...failures]
  try {
    grpoOptions.validate(kept)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    all.push(...error.failures)
  }
  return all.map((failure) => ({ ...failure, path: ['trl', ...failure.path] }))
}

/** A step has whole groups, as in trl. */
function wholeGroups({
  rl,
  trl,
  micro_batch_size,
  gradient_accumulation_steps,
  batch_size,
}: FinetuneFields): ConfigFailure | undefined {
  if (rl !== 'grpo' || optionFailures(trl ?? {}).length > 0) return undefined
  const { num_generations: each } = grpoOptions.validate(sortTrl(trl ?? {}).kept)
  if (micro_batch_size === 'auto')
    return { path: ['micro_batch_size'], what: 'rl: grpo counts completions: auto cannot decide how many' }
  if (gradient_accumulation_steps === 'auto') return undefined
  const completions = batch_size ?? micro_batch_size * (gradient_accumulation_steps ?? 1)
  if (completions % each === 0) return undefined
  return {
    path: ['micro_batch_size'],
    what: `a step of ${completions} completions has no whole groups of ${each} (trl.num_generations)`,
    remedy: `set micro_batch_size times gradient_accumulation_steps to a multiple of ${each}`,
  }
}

function prompts({ rl, datasets }: FinetuneFields): ConfigFailure[] {
  return datasets.flatMap(({ type }, i): ConfigFailure[] => {
    const isPrompt = type === 'prompt'
    const isOther = typeof type !== 'string' || DATASET_TYPES.some((known) => known === type)
    if (rl === 'grpo' && !isPrompt && isOther)
      return [
        {
          path: ['datasets', i, 'type'],
          what: 'rl: grpo takes type: prompt',
          remedy: 'the model writes the answers itself',
        },
      ]
    if (rl !== 'grpo' && isPrompt)
      return [
        {
          path: ['datasets', i, 'type'],
          what: 'type: prompt has no answers to learn',
          remedy: 'set rl: grpo',
        },
      ]
    return []
  })
}
