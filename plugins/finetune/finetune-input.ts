/**
 * A fine-tuning run as a program writes it: the keys of the YAML file, as axolotl names them, for editors and compilers. null and
 * leaving a key out are the same.
 *
 * Types only; `finetune-schema.ts` checks the values, and the compiler that both say the same. The comments are those of `key-docs.ts`;
 * `bun scripts/key-docs.ts --write` puts them here.
 */
import type { DeviceName } from '../cuda/mod.ts'
import type { DatasetInput } from '../data/mod.ts'
import type { LrScheduler, LrSchedulerOptions, SpecialTokens } from './finetune-options.ts'
import type { NamedInput, OpenName } from './named.ts'
import type { OptimizerName } from './optimizer-names.ts'

/** One of them or a list. */
export type OneOrMore<T> = T | readonly T[]

/** Each of the keys may be left out or null. */
export type Nullable<T> = { readonly [K in keyof T]?: T[K] | null | undefined }

export interface FinetuneInput {
  // ---- Model
  readonly base_model: string
  readonly revision_of_model?: string | null | undefined
  readonly offline?: boolean | null | undefined
  readonly device?: DeviceName | null | undefined
  readonly threads?: number | null | undefined
  readonly memory?: 'auto' | 'lean' | 'fast' | null | undefined
  readonly bf16?: 'auto' | 'full' | boolean | null | undefined

  // ---- Adapter
  readonly adapter?: OpenName<'lora' | 'none'> | null | undefined
  readonly plugins?: readonly string[] | null | undefined
  readonly adapter_options?: Readonly<Record<string, unknown>> | null | undefined
  readonly quantizer?: NamedInput<'nf4' | 'fp4' | 'int8' | 'ternary'> | null | undefined
  readonly lora_model_dir?: string | null | undefined
  readonly lora_r?: number | null | undefined
  readonly lora_alpha?: number | null | undefined
  readonly lora_dropout?: number | null | undefined
  readonly lora_target_modules?: readonly string[] | string | null | undefined
  readonly lora_target_linear?: boolean | null | undefined
  readonly lora_exclude_modules?: readonly string[] | string | null | undefined
  readonly peft_layers_to_transform?: readonly number[] | number | null | undefined
  readonly lora_rank_pattern?: Readonly<Record<string, number>> | null | undefined
  readonly lora_alpha_pattern?: Readonly<Record<string, number>> | null | undefined
  readonly peft_use_rslora?: boolean | null | undefined
  readonly peft_init_lora_weights?: boolean | 'gaussian' | null | undefined
  readonly lora_modules_to_save?: readonly string[] | null | undefined

  // ---- Data
  readonly datasets: readonly DatasetInput[]
  readonly test_datasets?: readonly DatasetInput[] | null | undefined
  readonly val_set_size?: number | null | undefined
  readonly max_skipped_share?: number | null | undefined
  readonly shuffle_merged_datasets?: boolean | null | undefined
  readonly dataset_prepared_path?: string | null | undefined
  readonly sequence_len?: number | null | undefined
  readonly excess_length_strategy?: 'drop' | 'truncate' | 'raise' | null | undefined
  readonly min_sample_len?: number | null | undefined
  readonly sample_packing?: boolean | null | undefined
  readonly eval_sample_packing?: boolean | null | undefined
  readonly train_on_inputs?: boolean | null | undefined
  readonly group_by_length?: boolean | null | undefined
  readonly dataloader_drop_last?: boolean | null | undefined
  readonly chat_template?: 'tokenizer_default' | 'jinja' | 'chatml' | null | undefined
  readonly chat_template_jinja?: string | null | undefined
  readonly eot_tokens?: readonly string[] | null | undefined
  readonly special_tokens?: Nullable<SpecialTokens> | null | undefined

  // ---- Training
  readonly learning_rate: number
  readonly num_epochs?: number | null | undefined
  readonly max_steps?: number | null | undefined
  readonly micro_batch_size?: number | null | undefined
  readonly gradient_accumulation_steps?: number | null | undefined
  readonly batch_size?: number | null | undefined
  readonly eval_batch_size?: number | null | undefined
  readonly optimizer?: OpenName<OptimizerName> | null | undefined
  readonly optim_args?: Readonly<Record<string, unknown>> | null | undefined
  readonly transforms?: OneOrMore<NamedInput<'clip'>> | null | undefined
  readonly objective?: NamedInput<'cross_entropy'> | null | undefined
  readonly strategy?: OneOrMore<NamedInput> | null | undefined
  readonly sampler?: NamedInput | null | undefined
  readonly adam_beta1?: number | null | undefined
  readonly adam_beta2?: number | null | undefined
  readonly adam_epsilon?: number | null | undefined
  readonly weight_decay?: number | null | undefined
  readonly max_grad_norm?: number | null | undefined
  readonly lr_scheduler?: LrScheduler | 'wsd' | null | undefined
  readonly lr_scheduler_kwargs?: Nullable<LrSchedulerOptions> | null | undefined
  readonly cosine_min_lr_ratio?: number | null | undefined
  readonly warmup_steps?: number | null | undefined
  readonly warmup_ratio?: number | null | undefined
  readonly gradient_checkpointing?: boolean | 'offload' | 'offload_disk' | 'unsloth' | null | undefined
  readonly seed?: number | null | undefined

  // ---- Evaluating, saving, stopping
  readonly eval_strategy?: 'no' | 'steps' | 'epoch' | null | undefined
  readonly eval_steps?: number | null | undefined
  readonly evals_per_epoch?: number | null | undefined
  readonly save_strategy?: 'no' | 'steps' | 'epoch' | null | undefined
  readonly save_steps?: number | null | undefined
  readonly saves_per_epoch?: number | null | undefined
  readonly save_total_limit?: number | null | undefined
  readonly load_best_model_at_end?: boolean | null | undefined
  readonly early_stopping_patience?: number | null | undefined
  readonly loss_watchdog_threshold?: number | null | undefined
  readonly loss_watchdog_patience?: number | null | undefined
  readonly logging_steps?: number | null | undefined
  readonly monitors?: OneOrMore<NamedInput> | null | undefined
  readonly output_dir?: string | null | undefined
  readonly resume_from_checkpoint?: string | null | undefined
  readonly auto_resume_from_checkpoints?: boolean | null | undefined
}
