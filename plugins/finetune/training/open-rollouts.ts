/**
 * The rollouts of a run with `rl: grpo`: what they need, from what the run has.
 */
import { leadLength, type Model, TrituneError, type World } from '../../../core/mod.ts'
import { lengthOf, type TokenizedExample } from '../../data/mod.ts'
import { createRollouts, promptRecords, type Rollouts } from '../../grpo/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { RunInputs } from '../run-inputs.ts'

/** null: the run trains on the examples of its datasets. */
export async function openRollouts(
  config: FinetuneConfig,
  { rewards, tokenizer, data }: Pick<RunInputs, 'rewards' | 'tokenizer' | 'data'>,
  model: Model,
  world: World | null,
): Promise<Rollouts | null> {
  const { grpo: options, adapter, lora_model_dir } = config
  if (options === null || rewards === null) return null
  checkRoom(data.train, options.max_completion_length, model)
  const { eosId, inner } = tokenizer
  return createRollouts({
    model,
    options,
    rewards,
    seed: config.seed,
    stopIds: [...new Set([...(eosId === null ? [] : [eosId]), ...inner.eosIds])],
    world,
    microBatchSize: config.micro_batch_size,
    hasReference: adapter !== null && lora_model_dir === null,
    decode: (ids) => tokenizer.decode(ids),
    recordOf: await promptRecords(data.train, config.datasets),
  })
}

/** Prompt and completion must fit into the context of the model. */
function checkRoom(prompts: readonly TokenizedExample[], completion: number, model: Model): void {
  const room = model.info.contextLength - leadLength(model)
  const longest = prompts.reduce((most, prompt) => Math.max(most, lengthOf(prompt)), 0)
  if (longest + completion <= room) return
  throw new TrituneError(
    'E_CONFIG',
    `the longest prompt has ${longest} tokens, with ${completion} more it does not fit into the ${room} of the model`,
    {
      place: 'trl.max_completion_length',
      remedy: 'set it lower, or sequence_len, above which prompts are left out',
    },
  )
}
