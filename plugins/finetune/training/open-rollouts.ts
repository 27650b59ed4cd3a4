/**
 * The rollouts of a run with `rl: grpo`: what they need, from what the run has.
 */
import type { Model } from '../../../core/mod.ts'
import { createRollouts, promptRecords, type Rollouts } from '../../grpo/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { RunInputs } from '../run-inputs.ts'

/** null: the run trains on the examples of its datasets. */
export async function openRollouts(
  config: FinetuneConfig,
  { rewards, tokenizer, data }: Pick<RunInputs, 'rewards' | 'tokenizer' | 'data'>,
  model: Model,
): Promise<Rollouts | null> {
  const { grpo: options, adapter, lora_model_dir } = config
  if (options === null || rewards === null) return null
  const { eosId, inner } = tokenizer
  return createRollouts({
    model,
    options,
    rewards,
    seed: config.seed,
    stopIds: [...new Set([...(eosId === null ? [] : [eosId]), ...inner.eosIds])],
    microBatchSize: config.micro_batch_size,
    hasReference: adapter !== null && lora_model_dir === null,
    decode: (ids) => tokenizer.decode(ids),
    recordOf: await promptRecords(data.train, config.datasets),
  })
}
