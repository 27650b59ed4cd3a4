/**
 * The plan of a run: of its examples, or, with `rl: grpo`, of the prompts that its steps begin with.
 */
import { counted } from '../../../core/counted.ts'
import { type Sampler, TrituneError } from '../../../core/mod.ts'
import type { TokenizedExample } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { createPlan, type Plan, type PlanOptions } from './plan.ts'

/** E_DATA when there is nothing to train on, or fewer prompts than a step takes. */
export function planOf(
  config: FinetuneConfig,
  train: readonly TokenizedExample[],
  sampler: Sampler | null,
  options: Pick<PlanOptions, 'stream' | 'ranks'> = {},
): Plan {
  if (config.grpo === null) return createPlan(config, train, sampler, options)
  const { ranks = 1 } = options
  if (ranks > 1 && config.diloco !== null)
    throw new TrituneError('E_UNSUPPORTED', 'rl: grpo with diloco runs on one process', {
      place: 'rl',
      remedy: 'take diloco out: then the processes share the completions of every step',
    })
  const { num_generations, num_iterations } = config.grpo
  const prompts = (ranks * (config.micro_batch_size * config.gradient_accumulation_steps)) / num_generations
  if (train.length < prompts)
    throw new TrituneError(
      'E_DATA',
      `there are ${counted(train.length, 'prompt')}, a step takes ${prompts}`,
      {
        place: 'datasets',
        remedy: 'set a smaller micro_batch_size, or give more prompts',
      },
    )
  const ofPrompts = {
    ...config,
    micro_batch_size: prompts,
    gradient_accumulation_steps: 1,
    sample_packing: false,
    group_by_length: false,
    dataloader_drop_last: true,
  }
  return createPlan(ofPrompts, train, sampler, { repeat: num_iterations })
}
