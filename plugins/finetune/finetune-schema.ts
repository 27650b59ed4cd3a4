/**
 * The keys of a fine-tuning run that are used, field by field, with axolotl's names and defaults.
 *
 * Ranges and types only: what does not go together is in `finetune-rules.ts`, keys that are known but unused are in
 * `axolotl-keys.ts`. https://docs.axolotl.ai/docs/config-reference.html
 */
import * as v from 'valibot'
import {
  decimal,
  decimalText,
  flag,
  integer,
  listOf,
  mapOf,
  nullable,
  oneOf,
  optional,
  text,
} from '../../core/contracts/config-fields.ts'
import type { Field } from '../../core/contracts/config-fields.ts'
import { type DeviceName, isDeviceName } from '../cuda/mod.ts'
import { datasetOptions } from '../data/mod.ts'
import type { DatasetOptions } from '../data/mod.ts'

export type LrScheduler = 'cosine' | 'linear' | 'constant' | 'constant_with_warmup' | 'warmup_stable_decay'

/** Arguments of the `warmup_stable_decay` schedule. */
export interface LrSchedulerOptions {
  /** Steps of the final decay; null leaves it to the trainer. */
  readonly num_decay_steps: number | null
  /** Learning rate at the end, as a part of the highest. */
  readonly min_lr_ratio: number | null
}

export interface SpecialTokens {
  readonly bos_token: string | null
  readonly eos_token: string | null
  readonly pad_token: string | null
  readonly unk_token: string | null
}

/** Everything a run needs, defaults filled in, keys named as in axolotl. */
export interface FinetuneOptions {
  /** A folder or a name on the Hub. */
  readonly base_model: string
  readonly revision_of_model: string | null
  /** Use only what is in the local cache; null: HF_HUB_OFFLINE decides. */
  readonly offline: boolean | null

  /** `lora`, or the name of an adapter that a plugin provides; null trains every parameter. */
  readonly adapter: string | null
  /** Options of a plugin's adapter; it checks them itself. The options of lora are the `lora_*` and `peft_*` keys. */
  readonly adapter_options: Readonly<Record<string, unknown>>
  /** Start from this adapter instead of a fresh one. */
  readonly lora_model_dir: string | null
  readonly lora_r: number
  readonly lora_alpha: number
  readonly lora_dropout: number
  /** A list of name endings, a regular expression, or `all-linear`; null: the default of the architecture. */
  readonly lora_target_modules: readonly string[] | string | null
  /** All linear layers, besides `lora_target_modules`. */
  readonly lora_target_linear: boolean
  readonly lora_exclude_modules: readonly string[] | string | null
  readonly lora_rank_pattern: Readonly<Record<string, number>>
  readonly lora_alpha_pattern: Readonly<Record<string, number>>
  readonly peft_use_rslora: boolean
  readonly peft_init_lora_weights: boolean | 'gaussian'
  readonly peft_layers_to_transform: readonly number[] | null

  readonly sequence_len: number
  readonly excess_length_strategy: 'drop' | 'truncate' | 'raise'
  readonly min_sample_len: number
  readonly sample_packing: boolean
  readonly eval_sample_packing: boolean
  readonly train_on_inputs: boolean

  readonly micro_batch_size: number
  readonly gradient_accumulation_steps: number
  readonly eval_batch_size: number
  readonly num_epochs: number
  /** null: as many as the epochs take. */
  readonly max_steps: number | null
  readonly learning_rate: number
  readonly optimizer: 'adamw' | 'adamw_8bit'
  readonly adam_beta1: number
  readonly adam_beta2: number
  readonly adam_epsilon: number
  readonly weight_decay: number
  readonly lr_scheduler: LrScheduler
  readonly lr_scheduler_kwargs: LrSchedulerOptions
  /** Cosine only: the learning rate never falls below this part of the highest. */
  readonly cosine_min_lr_ratio: number | null
  /** Both null: `warmupSteps()` decides. */
  readonly warmup_steps: number | null
  readonly warmup_ratio: number | null
  /** 0 does not clip. */
  readonly max_grad_norm: number
  readonly bf16: 'auto' | boolean
  readonly gradient_checkpointing: boolean
  readonly seed: number

  readonly datasets: readonly DatasetOptions[]
  readonly test_datasets: readonly DatasetOptions[]
  readonly dataset_prepared_path: string | null
  /** Below 1 a part of the examples, from 1 a number of examples. */
  readonly val_set_size: number
  readonly shuffle_merged_datasets: boolean
  /** null: the tokenizer's own; `jinja`: `chat_template_jinja`. */
  readonly chat_template: 'tokenizer_default' | 'jinja' | 'chatml' | null
  /** The template itself or the path of a file with it. */
  readonly chat_template_jinja: string | null
  readonly eot_tokens: readonly string[] | null
  readonly special_tokens: SpecialTokens

  /** `eval_steps` and `evals_per_epoch` both null: no evaluation. */
  readonly eval_steps: number | null
  readonly evals_per_epoch: number | null
  /** `save_steps` and `saves_per_epoch` both null: saved only at the end. */
  readonly save_steps: number | null
  readonly saves_per_epoch: number | null
  /** null keeps every checkpoint. */
  readonly save_total_limit: number | null
  readonly logging_steps: number
  readonly early_stopping_patience: number | null
  readonly load_best_model_at_end: boolean
  /** Stop when the loss stays above this for `loss_watchdog_patience` steps. */
  readonly loss_watchdog_threshold: number | null
  readonly loss_watchdog_patience: number
  readonly output_dir: string
  readonly resume_from_checkpoint: string | null
  readonly auto_resume_from_checkpoints: boolean

  /** `auto`: a GPU if one can be used, else the CPU. */
  readonly device: DeviceName
  /** null: as many as there are cores. */
  readonly threads: number | null
  /** Modules to load: `./mine.ts`, `tritune-plugin-foo`. */
  readonly plugins: readonly string[]
}

/** The file as written: what `finetune-rules.ts` turns into `FinetuneOptions`. */
export interface FinetuneInput extends Omit<
  FinetuneOptions,
  | 'gradient_accumulation_steps'
  | 'eval_batch_size'
  | 'eval_sample_packing'
  | 'optimizer'
  | 'lr_scheduler'
  | 'bf16'
> {
  readonly lora_modules_to_save: readonly string[]
  readonly gradient_accumulation_steps: number | null
  readonly batch_size: number | null
  readonly eval_batch_size: number | null
  readonly eval_sample_packing: boolean | null
  readonly optimizer: OptimizerName
  readonly lr_scheduler: LrScheduler | 'wsd'
  readonly bf16: 'auto' | 'full' | boolean
  readonly eval_strategy: 'no' | 'steps' | 'epoch' | null
  readonly save_strategy: 'no' | 'steps' | 'epoch' | null
}

/** Adapters that axolotl and PEFT know. */
export const LATER_ADAPTERS: readonly string[] = [
  'qlora',
  'dora',
  'ia3',
  'adalora',
  'loha',
  'lokr',
  'oft',
  'boft',
  'vera',
  'llama-adapter',
]

export type OptimizerName =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adamw'
  | 'paged_adamw_32bit'
  | 'adamw_8bit'
  | 'adamw_bnb_8bit'
  | 'paged_adamw_8bit'

/** Names of axolotl and transformers → what is trained with. */
export const OPTIMIZERS: Readonly<Record<OptimizerName, FinetuneOptions['optimizer']>> = {
  adamw_torch: 'adamw',
  adamw_torch_fused: 'adamw',
  adamw: 'adamw',
  paged_adamw_32bit: 'adamw',
  adamw_8bit: 'adamw_8bit',
  adamw_bnb_8bit: 'adamw_8bit',
  paged_adamw_8bit: 'adamw_8bit',
}
const LATER_OPTIMIZERS = [
  'adamw_torch_8bit',
  'adamw_torch_4bit',
  'adamw_apex_fused',
  'adamw_anyprecision',
  'paged_ademamix_32bit',
  'paged_ademamix_8bit',
  'paged_lion_32bit',
  'paged_lion_8bit',
  'ademamix',
  'ademamix_8bit',
  'ao_adamw_4bit',
  'ao_adamw_8bit',
  'ao_adamw_fp8',
  'adopt_adamw',
  'adafactor',
  'came_pytorch',
  'dion',
  'galore_adamw',
  'galore_adamw_8bit',
  'grokadamw',
  'lion_32bit',
  'lion_8bit',
  'lion_pytorch',
  'lomo',
  'adalomo',
  'muon',
  'optimi_adamw',
  'q_galore_adamw8bit',
  'rmsprop',
  'schedule_free_adamw',
  'schedule_free_sgd',
  'sgd',
  'shampoo',
  'soap',
]
const LATER_SCHEDULERS = [
  'cosine_with_restarts',
  'cosine_with_min_lr',
  'cosine_warmup_with_min_lr',
  'polynomial',
  'inverse_sqrt',
  'reduce_lr_on_plateau',
  'one_cycle',
  'rex',
]
const LATER_TEMPLATES = [
  'alpaca',
  'aya',
  'cohere',
  'command_a',
  'deepseek_v2',
  'deepseek_v3',
  'exaone',
  'falcon_h1',
  'gemma',
  'gemma3',
  'gemma3n',
  'inst',
  'jamba',
  'llama3',
  'llama3_2_vision',
  'llama4',
  'llava',
  'metharme',
  'mistral_v1',
  'mistral_v2v3',
  'mistral_v3_tekken',
  'mistral_v7_tekken',
  'phi_3',
  'phi_35',
  'phi_4',
  'pixtral',
  'qwen_25',
  'qwen2_vl',
  'qwen3',
]

const patterns: Field<readonly string[] | string> = v.union(
  [v.pipe(v.string(), v.minLength(1)), v.pipe(v.array(v.string()), v.minLength(1))],
  'expected a list of module names, a regular expression or all-linear',
)

const bf16Field: Field<'auto' | 'full' | boolean> = v.lazy((input) =>
  input === 'auto' || input === 'full' ? v.picklist(['auto', 'full']) : flag(),
)

const deviceField: Field<DeviceName> = v.lazy((input) =>
  isDeviceName(input) ? v.custom<DeviceName>(isDeviceName) : oneOf(['auto', 'cpu', 'cuda', 'cuda-emulated']),
)

const initField: Field<boolean | 'gaussian'> = v.lazy((input) =>
  typeof input === 'string'
    ? oneOf(['gaussian'], {
        later: ['pissa', 'olora', 'corda', 'eva', 'loftq', 'orthogonal', 'lora_ga', 'mica', 'pissa_niter_16'],
      })
    : flag(),
)

/** Old files write one dataset file as `data_files: x`; one layer number as `7`. */
const layers: Field<readonly number[]> = v.lazy((input) =>
  Array.isArray(input)
    ? listOf(integer({ min: 0 }))
    : v.pipe(
        integer({ min: 0 }),
        v.transform((layer) => [layer]),
      ),
)

const checkpointing: Field<boolean> = v.lazy((input) =>
  input === 'unsloth' || input === 'offload' || input === 'offload_disk'
    ? v.custom<boolean>(() => false, `"${input}" is not supported yet; use true or false`)
    : flag(),
)

const specialTokens: Field<SpecialTokens> = v.strictObject(
  {
    bos_token: nullable(text()),
    eos_token: nullable(text()),
    pad_token: nullable(text()),
    unk_token: nullable(text()),
  },
  'expected a mapping such as { pad_token: "<pad>" }',
)

const schedulerOptions: Field<LrSchedulerOptions> = v.strictObject(
  {
    num_decay_steps: nullable(integer({ min: 1 })),
    min_lr_ratio: nullable(decimal({ min: 0, max: 1 })),
  },
  'expected a mapping such as { num_decay_steps: 100 }',
)

const validationSize: Field<number> = v.pipe(
  decimal({ min: 0 }),
  v.check((x) => x < 1 || Number.isInteger(x), 'expected a part below 1 or a whole number of examples'),
)

const datasetList: Field<readonly DatasetOptions[]> = listOf(datasetOptions, 'a list of datasets')
const strategy: Field<'no' | 'steps' | 'epoch'> = oneOf(['no', 'steps', 'epoch'], { later: ['best'] })
const noTokens: SpecialTokens = { bos_token: null, eos_token: null, pad_token: null, unk_token: null }
const noSchedulerOptions: LrSchedulerOptions = { num_decay_steps: null, min_lr_ratio: null }

export const finetuneSchema: Field<FinetuneInput> = v.strictObject(
  {
    base_model: text('the folder or Hub name of a model'),
    revision_of_model: nullable(text()),
    offline: optional(flag(), null),

    adapter: nullable(text('the name of an adapter')),
    adapter_options: optional<Record<string, unknown>>(mapOf(v.unknown()), {}),
    lora_model_dir: nullable(text('the folder of an adapter')),
    lora_r: optional(integer({ min: 1 }), 8),
    lora_alpha: optional(decimal({ above: 0 }), 8),
    lora_dropout: optional(decimal({ min: 0, below: 1 }), 0),
    lora_target_modules: nullable(patterns),
    lora_target_linear: optional(flag(), false),
    lora_exclude_modules: nullable(patterns),
    lora_modules_to_save: optional<readonly string[]>(listOf(text()), []),
    lora_rank_pattern: optional<Record<string, number>>(mapOf(integer({ min: 1 })), {}),
    lora_alpha_pattern: optional<Record<string, number>>(mapOf(decimal({ above: 0 })), {}),
    peft_use_rslora: optional(flag(), false),
    peft_init_lora_weights: optional<boolean | 'gaussian'>(initField, true),
    peft_layers_to_transform: nullable(layers),

    sequence_len: optional(integer({ min: 1 }), 512),
    excess_length_strategy: optional(oneOf(['drop', 'truncate', 'raise']), 'drop'),
    min_sample_len: optional(integer({ min: 1 }), 2),
    sample_packing: optional(flag(), false),
    eval_sample_packing: nullable(flag()),
    train_on_inputs: optional(flag(), false),

    micro_batch_size: optional(integer({ min: 1 }), 1),
    gradient_accumulation_steps: nullable(integer({ min: 1 })),
    batch_size: nullable(integer({ min: 1 })),
    eval_batch_size: nullable(integer({ min: 1 })),
    num_epochs: optional(decimal({ above: 0 }), 1),
    max_steps: nullable(integer({ min: 1 })),
    learning_rate: decimalText({ above: 0 }),
    optimizer: optional(
      oneOf(Object.keys(OPTIMIZERS) as OptimizerName[], { later: LATER_OPTIMIZERS }),
      'adamw_torch_fused',
    ),
    adam_beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
    adam_beta2: optional(decimal({ min: 0, below: 1 }), 0.999),
    adam_epsilon: optional(decimalText({ above: 0 }), 1e-8),
    weight_decay: optional(decimalText({ min: 0 }), 0),
    lr_scheduler: optional(
      oneOf(['cosine', 'linear', 'constant', 'constant_with_warmup', 'warmup_stable_decay', 'wsd'], {
        later: LATER_SCHEDULERS,
      }),
      'cosine',
    ),
    lr_scheduler_kwargs: optional(schedulerOptions, noSchedulerOptions),
    cosine_min_lr_ratio: nullable(decimal({ min: 0, max: 1 })),
    warmup_steps: nullable(integer({ min: 0 })),
    warmup_ratio: nullable(decimal({ min: 0, max: 1 })),
    max_grad_norm: optional(decimal({ min: 0 }), 1),
    bf16: optional<'auto' | 'full' | boolean>(bf16Field, 'auto'),
    gradient_checkpointing: optional(checkpointing, false),
    seed: optional(integer({ min: 0 }), 42),

    datasets: v.pipe(datasetList, v.minLength(1, 'expected at least one dataset')),
    test_datasets: optional<readonly DatasetOptions[]>(datasetList, []),
    dataset_prepared_path: nullable(text('a folder')),
    val_set_size: optional(validationSize, 0),
    shuffle_merged_datasets: optional(flag(), true),
    chat_template: nullable(oneOf(['tokenizer_default', 'jinja', 'chatml'], { later: LATER_TEMPLATES })),
    chat_template_jinja: nullable(text('a Jinja template or the path of one')),
    eot_tokens: nullable(listOf(text())),
    special_tokens: optional(specialTokens, noTokens),

    eval_strategy: nullable(strategy),
    eval_steps: nullable(integer({ min: 0 })),
    evals_per_epoch: nullable(integer({ min: 0 })),
    save_strategy: nullable(strategy),
    save_steps: nullable(integer({ min: 0 })),
    saves_per_epoch: nullable(integer({ min: 0 })),
    save_total_limit: nullable(integer({ min: 1 })),
    logging_steps: optional(integer({ min: 1 }), 1),
    early_stopping_patience: nullable(integer({ min: 1 })),
    load_best_model_at_end: optional(flag(), false),
    loss_watchdog_threshold: nullable(decimal({ above: 0 })),
    loss_watchdog_patience: optional(integer({ min: 1 }), 3),
    output_dir: optional(text('a folder'), './model-out'),
    resume_from_checkpoint: nullable(text('the folder of a checkpoint')),
    auto_resume_from_checkpoints: optional(flag(), false),

    device: optional<DeviceName>(deviceField, 'auto'),
    threads: nullable(integer({ min: 1 })),
    plugins: optional<readonly string[]>(listOf(text('the name or path of a module')), []),
  },
  'expected a mapping',
)
