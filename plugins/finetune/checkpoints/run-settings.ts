/**
 * What must be equal for a resumed run to go on to the same bits: settings of the file, and the examples themselves.
 */
import { createHash } from 'node:crypto'
import type { LoadedDataset } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'

/** Settings that change the numbers of a run, as far as the configuration knows. */
const SETTINGS = [
  'base_model',
  'revision_of_model',
  'preset',
  'base_model_config',
  'overrides_of_model_config',
  'reinit_weights',
  'tokenizer_config',
  'train_tokenizer',
  'plugins',
  'adapter',
  'adapter_options',
  'lora_r',
  'lora_alpha',
  'lora_dropout',
  'lora_target_modules',
  'lora_target_linear',
  'lora_exclude_modules',
  'lora_target_parameters',
  'lora_rank_pattern',
  'lora_alpha_pattern',
  'peft_use_rslora',
  'peft_use_dora',
  'peft_init_lora_weights',
  'peft',
  'loraplus_lr_ratio',
  'loraplus_lr_embedding',
  'peft_layers_to_transform',
  'lora_modules_to_save',
  'peft_trainable_token_indices',
  'peft_ensure_weight_tying',
  'special_tokens',
  'tokens',
  'added_tokens_overrides',
  'resize_token_embeddings_to_32x',
  'mean_resizing_embeddings',
  'peft_layers_pattern',
  'quantizer',
  'bnb_config_kwargs',
  'sequence_len',
  'excess_length_strategy',
  'min_sample_len',
  'sample_packing',
  'train_on_inputs',
  'group_by_length',
  'curriculum_sampling',
  'sample_packing_sequentially',
  'dataloader_drop_last',
  'sampler',
  'micro_batch_size',
  'gradient_accumulation_steps',
  'num_epochs',
  'max_steps',
  'objective',
  'strategy',
  'transforms',
  'learning_rate',
  'embedding_lr',
  'embedding_lr_scale',
  'lr_groups',
  'unfrozen_parameters',
  'neftune_noise_alpha',
  'label_smoothing_factor',
  'optimizer',
  'optim_args',
  'adam_beta1',
  'adam_beta2',
  'adam_epsilon',
  'weight_decay',
  'lr_scheduler',
  'lr_scheduler_kwargs',
  'cosine_min_lr_ratio',
  'cosine_constant_lr_ratio',
  'lr_quadratic_warmup',
  'warmup_steps',
  'warmup_ratio',
  'max_grad_norm',
  'bf16',
  'seed',
  'datasets',
  'dataset_exact_deduplication',
  'dataset_near_deduplication',
  'streaming',
  'streaming_multipack_buffer_size',
  'val_set_size',
] as const satisfies readonly (keyof FinetuneConfig)[]

/** The settings, and a hash of the examples: files, templates and tokenizers that change show up in it. */
export function settingsOf(
  config: FinetuneConfig,
  { train, validation, stream }: Pick<LoadedDataset, 'train' | 'validation' | 'stream'>,
): Record<string, unknown> {
  const hash = createHash('sha256')
  for (const { ids, labels, documents, values } of [...train, ...validation]) {
    hash.update(Int32Array.of(ids.length)).update(ids).update(labels)
    if (documents) hash.update(documents)
    if (values) hash.update(JSON.stringify(values))
  }
  // Of what is streamed only the first examples are there.
  if (stream) hash.update(JSON.stringify(stream.sizes))
  return {
    ...Object.fromEntries(SETTINGS.map((key) => [key, config[key]])),
    // What `exchange` comes to is in the state of the worker.
    diloco: config.diloco && {
      ...config.diloco,
      exchange: undefined,
      when_cut: undefined,
      allow_other_workers: undefined,
    },
    data: hash.digest('hex').slice(0, 16),
  }
}
