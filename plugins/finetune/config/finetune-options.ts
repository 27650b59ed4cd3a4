/**
 * What a fine-tuning run is told: `FinetuneOptions`, the keys of its file with all defaults filled in, and `FinetuneFields`,
 * the same as a file writes it. Types only; how a file is checked is in `finetune-schema.ts`.
 */
import type { AdvisorName } from '../../advise/mod.ts'
import type { RampType } from '../../../core/mod.ts'
import type { ChatTemplateChoice, DatasetOptions } from '../../data/mod.ts'
import type { LoraInit, TrainableTokens } from '../../peft/mod.ts'
import type { DilocoOptions } from './diloco-options.ts'
import type { Named } from './named.ts'
import type { PreferenceKeys } from './preference-options.ts'
import type { TrackerKeys } from './tracker-keys.ts'

/** What stands under `peft:`, as in axolotl. */
export interface PeftSettings {
  readonly loftq_config: {
    /** null: no loftq. */
    readonly loftq_bits: number | null
    readonly loftq_iter: number
  }
}

/** Names of learning-rate schedules, as transformers and axolotl have them. */
export type LrScheduler =
  | 'cosine'
  | 'linear'
  | 'constant'
  | 'constant_with_warmup'
  | 'warmup_stable_decay'
  | 'cosine_with_restarts'
  | 'cosine_with_min_lr'
  | 'cosine_warmup_with_min_lr'
  | 'polynomial'
  | 'inverse_sqrt'
  | 'rex'
  | 'two_stage'
  | 'one_cycle'
  | 'reduce_lr_on_plateau'

/** `lr_scheduler_kwargs` as transformers and torch name them; each schedule takes some, with their defaults. */
export interface LrSchedulerOptions {
  /** `warmup_stable_decay`: steps of the final decay; default: a tenth of all. */
  readonly num_decay_steps?: number | undefined
  /** `warmup_stable_decay`: steps between; default: what is left. */
  readonly num_stable_steps?: number | undefined
  /** `warmup_stable_decay`: the learning rate at the end, as a part of the highest. */
  readonly min_lr_ratio?: number | undefined
  readonly warmup_type?: RampType | undefined
  readonly decay_type?: RampType | undefined
  /** Waves of a cosine (default: half a one), or restarts. */
  readonly num_cycles?: number | undefined
  /** The lowest learning rate: of `cosine_with_min_lr` and the like at the end, of `reduce_lr_on_plateau` ever. */
  readonly min_lr?: number | undefined
  /** The same as a part of the highest. */
  readonly min_lr_rate?: number | undefined
  /** `cosine_warmup_with_min_lr`: where the warm-up begins, as a part of the highest. */
  readonly warmup_lr_rate?: number | undefined
  /** `polynomial` */
  readonly power?: number | undefined
  /** `polynomial`: the learning rate at the end. */
  readonly lr_end?: number | undefined
  /** `inverse_sqrt`: default: the steps of warm-up. */
  readonly timescale?: number | undefined
  /** `two_stage`: the part of the steps after which the second stage begins; default: half. */
  readonly stage_start?: number | undefined
  /** `two_stage`: the learning rate of the second stage, as a part of what it would be; default: two thirds. */
  readonly stage_lr_ratio?: number | undefined
  /** `one_cycle`: the part of the steps in which the rate rises; default: the warm-up. */
  readonly pct_start?: number | undefined
  readonly anneal_strategy?: 'cos' | 'linear' | undefined
  readonly div_factor?: number | undefined
  readonly final_div_factor?: number | undefined
  readonly three_phase?: boolean | undefined
  /** `one_cycle`: only `false`; betas stay as they are. */
  readonly cycle_momentum?: boolean | undefined
  /** `reduce_lr_on_plateau`, as of torch. */
  readonly factor?: number | undefined
  readonly patience?: number | undefined
  readonly threshold?: number | undefined
  readonly threshold_mode?: 'rel' | 'abs' | undefined
  readonly cooldown?: number | undefined
  readonly eps?: number | undefined
  /** Only `min`: a loss gets better by falling. */
  readonly mode?: 'min' | undefined
}

/** Parameters with a learning rate of their own. */
export interface LrGroup {
  readonly name: string
  /** Parts of the names of parameters. */
  readonly modules: readonly string[]
  readonly lr: number
}

/** Fields of transformers' BitsAndBytesConfig; null: the default. */
export interface BnbOptions {
  readonly bnb_4bit_quant_type: 'nf4' | 'fp4' | null
  readonly bnb_4bit_use_double_quant: boolean | null
  /** Decides `bf16: auto`; f16 computes in bf16. */
  readonly bnb_4bit_compute_dtype: 'bfloat16' | 'float16' | 'float32' | null
  /** Read and left aside: the bytes are the same. */
  readonly bnb_4bit_quant_storage: string | null
  readonly llm_int8_threshold: number | null
  /** Modules that stay as they are, besides the output head. */
  readonly llm_int8_skip_modules: readonly string[] | null
  readonly llm_int8_enable_fp32_cpu_offload: boolean | null
  readonly llm_int8_has_fp16_weight: boolean | null
  readonly load_in_4bit: boolean | null
  readonly load_in_8bit: boolean | null
}

/** The tokens that `special_tokens` of a run's file sets; null: as the tokenizer has them. */
export interface SpecialTokens {
  readonly bos_token: string | null
  readonly eos_token: string | null
  readonly pad_token: string | null
  readonly unk_token: string | null
  /** Tokens that are special besides. */
  readonly additional_special_tokens: readonly string[] | null
}

/** A byte-level BPE tokenizer that is trained on the datasets of the run. */
export interface TrainTokenizer {
  readonly vocab_size: number
  /** Pairs that come less often become no token. */
  readonly min_frequency: number
}

/** Everything a run needs, defaults filled in, keys named as in axolotl. */
export interface FinetuneOptions extends PreferenceKeys, TrackerKeys {
  /** A folder or a name on the Hub. */
  readonly base_model: string
  readonly revision_of_model: string | null
  /** A shape by name, for new weights. */
  readonly preset: string | null
  /** A config.json (or a folder or model with one) whose shape new weights have; null: that of `base_model`. */
  readonly base_model_config: string | null
  /** What is otherwise than in that config.json. */
  readonly overrides_of_model_config: Readonly<Record<string, unknown>>
  /** New weights by `seed` instead of those of `base_model`. True with `preset`, and with `base_model_config` alone. */
  readonly reinit_weights: boolean
  /** Of new weights: the folder or Hub name of a tokenizer, or `bytes`; null: the one of `base_model`. */
  readonly tokenizer_config: string | null
  /** Of new weights: a tokenizer that is trained on `datasets`; null: none is. */
  readonly train_tokenizer: TrainTokenizer | null
  /** Use only what is in the local cache; null: as HF_HUB_OFFLINE says. */
  readonly offline: boolean | null

  /** `lora`, or the name of an adapter that a plugin provides; null trains every parameter. */
  readonly adapter: string | null
  /** Options of an adapter, which checks them itself. The options of lora are the `lora_*` and `peft_*` keys. */
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
  readonly lora_target_parameters: readonly string[]
  readonly lora_rank_pattern: Readonly<Record<string, number>>
  readonly lora_alpha_pattern: Readonly<Record<string, number>>
  readonly peft_use_rslora: boolean
  readonly peft_init_lora_weights: LoraInit
  readonly peft_use_dora: boolean
  readonly peft: PeftSettings | null
  readonly loraplus_lr_ratio: number | null
  readonly loraplus_lr_embedding: number
  readonly peft_layers_to_transform: readonly number[] | null
  /** Layers and norms that are trained whole beside the adapter. */
  readonly lora_modules_to_save: readonly string[]
  /** Tokens whose rows are trained beside the adapter; those that are new are in any case. */
  readonly peft_trainable_token_indices: TrainableTokens | null
  readonly peft_ensure_weight_tying: boolean
  /** What stands before the number of a layer, as expressions; null: whatever does. */
  readonly peft_layers_pattern: readonly string[] | string | null

  readonly sequence_len: number
  readonly excess_length_strategy: 'drop' | 'truncate' | 'raise'
  readonly min_sample_len: number
  readonly sample_packing: boolean
  readonly eval_sample_packing: boolean
  readonly train_on_inputs: boolean
  /** Examples of like length meet in a step, as transformers groups them; not for packed rows. */
  readonly group_by_length: boolean
  /** Leave out of each epoch the rows that do not fill a step; else they are spread over its steps. */
  /** Examples in the order of the data, in every epoch. */
  readonly curriculum_sampling: boolean
  /** Rows are filled in that order. */
  readonly sample_packing_sequentially: boolean
  readonly dataloader_drop_last: boolean

  readonly micro_batch_size: number
  readonly gradient_accumulation_steps: number
  readonly eval_batch_size: number
  readonly num_epochs: number
  /** null: as many as the epochs take. */
  readonly max_steps: number | null
  readonly learning_rate: number
  /** Of input embeddings and output head; null: `learning_rate`. */
  readonly embedding_lr: number | null
  /** The same as a factor; it wins. */
  readonly embedding_lr_scale: number | null
  readonly lr_groups: readonly LrGroup[]
  /** Uniform noise on the embeddings in training; null: none. */
  /** Expressions on the names of the weights that are trained; empty: all of them. */
  readonly unfrozen_parameters: readonly string[]
  readonly neftune_noise_alpha: number | null
  /** Of `cross_entropy`; 0: none. */
  readonly label_smoothing_factor: number
  /** `adamw`, `adamw_8bit`, or the name of an optimizer that a plugin provides. */
  readonly optimizer: string
  /** Options of a plugin's optimizer; those of the built-in ones are the `adam_*` keys. */
  readonly optim_args: Readonly<Record<string, unknown>>
  /** What happens to the gradients before they are clipped. */
  readonly transforms: readonly Named[]
  /** What wraps the training step, outermost first. */
  readonly strategy: readonly Named[]
  readonly objective: Named
  /** As it is written; checked in `grpo`. */
  readonly trl: Readonly<Record<string, unknown>> | null
  /** The file of the rewards. */
  readonly rewards: string | null
  /** Who watches the run, besides metrics.jsonl and the lines on the terminal. */
  readonly monitors: readonly Named[]
  /** The order of the examples; null: a shuffle. */
  readonly sampler: Named | null
  /** How the frozen base weights are packed; null: not at all. */
  readonly quantizer: Named | null
  /** What transformers calls BitsAndBytesConfig; of it only `llm_int8_skip_modules` matters beside `quantizer`. */
  readonly bnb_config_kwargs: BnbOptions | null
  readonly adam_beta1: number
  readonly adam_beta2: number
  /** In tokens; not null: what `adam_beta2` comes from when the examples are there. */
  readonly adam_beta2_half_life: number | null
  readonly adam_epsilon: number
  readonly weight_decay: number
  readonly lr_scheduler: LrScheduler
  readonly lr_scheduler_kwargs: LrSchedulerOptions
  /** Cosine only: the learning rate never falls below this part of the highest. */
  readonly cosine_min_lr_ratio: number | null
  /** The part of the steps after which the rate stays. */
  readonly cosine_constant_lr_ratio: number | null
  readonly lr_quadratic_warmup: boolean
  /** Both null: `warmupSteps()` decides. */
  readonly warmup_steps: number | null
  readonly warmup_ratio: number | null
  /** 0 does not clip. */
  readonly max_grad_norm: number
  readonly bf16: 'auto' | boolean
  readonly gradient_checkpointing: boolean
  /** Inputs of checkpointed blocks wait outside of the device; `disk`: in a file, whatever the device is. */
  readonly activation_offloading: boolean | 'disk'
  /** null: `output_dir`. */
  readonly activation_offloading_dir: string | null
  readonly seed: number

  readonly datasets: readonly DatasetOptions[]
  readonly test_datasets: readonly DatasetOptions[]
  readonly dataset_prepared_path: string | null
  /** Threads that tokenise; null: as many as are worth it; 0: none. */
  readonly dataset_processes: number | null
  readonly dataset_exact_deduplication: boolean
  /** Examples that are as like as this are one; null: only equal ones may be. */
  readonly dataset_near_deduplication: number | null
  /** Examples are made while the run goes on. */
  readonly streaming: boolean
  /** Examples that are read ahead and shuffled. */
  readonly streaming_multipack_buffer_size: number
  /** The largest part of the records of a dataset that may have nothing to learn. */
  readonly max_skipped_share: number
  /** Below 1 a part of the examples, from 1 a number of examples. */
  readonly val_set_size: number
  readonly shuffle_merged_datasets: boolean
  /** null: the tokenizer's own; `jinja`: `chat_template_jinja`. */
  readonly chat_template: ChatTemplateChoice | null
  /** The template itself or the path of a file with it. */
  readonly chat_template_jinja: string | null
  readonly eot_tokens: readonly string[] | null
  readonly special_tokens: SpecialTokens
  /** Added to the vocabulary. */
  readonly tokens: readonly string[]
  /** Other texts for tokens that the tokenizer keeps in reserve, by id. */
  readonly added_tokens_overrides: Readonly<Record<string, string>>
  /** When the vocabulary grows, to a multiple of 32. */
  readonly resize_token_embeddings_to_32x: boolean
  /** New rows start around the mean of the others, not around 0. */
  readonly mean_resizing_embeddings: boolean

  /** `epoch`: at the end of each epoch; `steps`: `eval_steps` or `evals_per_epoch`, of which one is not null. */
  readonly eval_strategy: 'no' | 'steps' | 'epoch'
  /** Below 1 a part of all steps of the run. */
  readonly eval_steps: number | null
  readonly evals_per_epoch: number | null
  /** As `eval_strategy`; what is trained is saved at the end in any case. */
  readonly save_strategy: 'no' | 'steps' | 'epoch'
  readonly save_steps: number | null
  readonly saves_per_epoch: number | null
  /** The newest checkpoints that are kept. */
  readonly save_total_limit: number
  readonly logging_steps: number
  readonly early_stopping_patience: number | null
  /** Also true with `early_stopping_patience`, unless the file says false. */
  readonly load_best_model_at_end: boolean
  /** What the best evaluation is the best by, by the names of metrics.jsonl without `eval_`. */
  readonly metric_for_best_model: string
  /** null: not where the name ends in loss or is perplexity. */
  readonly greater_is_better: boolean | null
  /** The model goes on with texts of the validation set at each evaluation. */
  readonly generate_samples: boolean
  readonly num_generation_samples: number
  readonly generation_max_new_tokens: number
  /** The part of each text that it is given. */
  readonly generation_prompt_ratio: number
  /** false: the most likely token each time. */
  readonly generation_do_sample: boolean
  readonly generation_temperature: number
  readonly generation_top_k: number | null
  readonly generation_top_p: number | null
  /** Steps between histograms of weights and gradients; null: none. */
  readonly histogram_steps: number | null
  /** Stop when the loss stays above this for `loss_watchdog_patience` steps. */
  readonly loss_watchdog_threshold: number | null
  readonly loss_watchdog_patience: number
  /** Who looks at the loss and tells what is odd. */
  readonly advise: readonly AdvisorName[]
  readonly output_dir: string
  readonly resume_from_checkpoint: string | null
  readonly auto_resume_from_checkpoints: boolean
  /** Repository of the hub that the run is pushed to. */
  readonly hub_model_id: string | null
  /** When and what: see `publish.ts`. */
  readonly hub_strategy: 'end' | 'every_save' | 'checkpoint' | 'all_checkpoints'
  readonly hub_revision: string | null

  /** `auto` (a GPU if one can be used, else the CPU), `cpu`, `cuda`, `cuda:1`, `cuda-emulated`, or that of a plugin. */
  readonly device: string
  /** null: as many as there are cores. */
  readonly threads: number | null
  /** Processes make steps of their own and meet after some; null: each has its part of every step. */
  readonly diloco: DilocoOptions | null
  /** 1: the state of the optimizer is divided over the processes. */
  readonly zero_stage: 0 | 1
  /** The frozen weights of the blocks are divided over the processes. */
  readonly shard_base: boolean
  /** Seconds that a process waits for the others; null: half an hour. */
  readonly ddp_timeout: number | null
  /** Whether cheap results are kept for the backward pass or made again: the same bits. */
  readonly memory: 'auto' | 'lean' | 'fast'
  /** Modules to load: `./mine.ts`, `tritune-plugin-foo`. */
  readonly plugins: readonly string[]
}

/** The file as written: what `finetune-rules.ts` turns into `FinetuneOptions`. */
export interface FinetuneFields extends Omit<
  FinetuneOptions,
  | 'micro_batch_size'
  | 'learning_rate'
  | 'gradient_accumulation_steps'
  | 'eval_batch_size'
  | 'eval_sample_packing'
  | 'lr_scheduler'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'activation_offloading'
  | 'eval_strategy'
  | 'save_strategy'
  | 'load_best_model_at_end'
> {
  readonly micro_batch_size: number | 'auto'
  readonly learning_rate: number | 'auto'
  /** What they ask for is in `quantizer` of the options. */
  readonly load_in_4bit: boolean
  readonly load_in_8bit: boolean
  readonly gradient_accumulation_steps: number | 'auto' | null
  readonly batch_size: number | null
  readonly eval_batch_size: number | null
  readonly eval_sample_packing: boolean | null
  readonly lr_scheduler: LrScheduler | 'wsd'
  readonly bf16: 'auto' | 'full' | boolean
  readonly gradient_checkpointing: boolean | 'offload' | 'offload_disk' | 'unsloth'
  /** null: as `gradient_checkpointing` says. */
  readonly activation_offloading: boolean | 'legacy' | 'disk' | null
  readonly eval_strategy: 'no' | 'steps' | 'epoch' | null
  readonly save_strategy: 'no' | 'steps' | 'epoch' | null
  readonly load_best_model_at_end: boolean | null
}
