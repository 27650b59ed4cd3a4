/**
 * `peft_init_lora_weights: eva`: the training examples go through the base model once, and the factors start as what the layers get of them.
 */
import type { Model } from '../../../core/mod.ts'
import { createBatches, IGNORE, type LoadedDataset } from '../../data/mod.ts'
import { createBatch } from '../../models/mod.ts'
import { type AttachedAdapter, type EvaBatch, startByData } from '../../peft/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'

/** After so many batches what has not settled is taken as it is. */
const MOST = 64

/** What is worth saying about it. A resumed run does it again, and then takes the factors of its checkpoint. */
export function startEva(
  config: FinetuneConfig,
  model: Model,
  adapter: AttachedAdapter,
  data: Pick<LoadedDataset, 'train'>,
): string[] {
  if (config.peft_init_lora_weights !== 'eva' || config.lora_model_dir !== null) return []
  const { batches, unsettled } = startByData(model, adapter, batchesOf(config, model, data), {
    seed: config.seed,
  })
  const rest = unsettled === 0 ? '' : `; ${unsettled} of ${adapter.adapters.size} layers had not settled`
  return [
    `eva: the factors start as ${batches} ${batches === 1 ? 'batch' : 'batches'} of the examples say${rest}`,
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Only trained tokens count, as with PEFT's use_label_mask. */
function* batchesOf(
  config: FinetuneConfig,
  model: Model,
  { train }: Pick<LoadedDataset, 'train'>,
): Generator<EvaBatch> {
  const batches = createBatches({
    examples: train,
    microBatchSize: config.micro_batch_size,
    sequenceLength: config.sequence_len,
    packing: config.sample_packing,
    seed: config.seed,
    shuffle: true,
  })
  for (let i = 0; i < Math.min(MOST, batches.length); i++) {
    const batch = batches.get(i)
    const { targets } = batch
    // The label of a token stands at the one before it, which predicts it.
    const tokens = createBatch(batch, model.head.device)
    try {
      yield { tokens, counts: (at) => at > 0 && targets[at - 1] !== IGNORE }
    } finally {
      for (const one of [tokens.ids, tokens.positions, tokens.offsets]) one.dispose()
    }
  }
}
