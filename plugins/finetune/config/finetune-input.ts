/**
 * A fine-tuning run as a program writes it: the keys of the YAML file, as axolotl names them, for editors and compilers. null and
 * leaving a key out are the same.
 *
 * Types only; `finetune-schema.ts` checks the values, and the compiler that both say the same. The comments are those of `key-docs.ts`;
 * `bun scripts/key-docs.ts --write` puts them here.
 */
import type { AdapterName } from './adapter-names.ts'
import type { DeviceName } from '../../cuda/mod.ts'
import type { DataInput } from './data-input.ts'
import type { DilocoInput } from './diloco-options.ts'
import type {
  BnbOptions,
  LrGroup,
  LrScheduler,
  LrSchedulerOptions,
  SpecialTokens,
  TrainTokenizer,
} from './finetune-options.ts'
import type { TritterPreset } from '../../models/mod.ts'
import type { LoraInit, TrainableTokens } from '../../peft/mod.ts'
import type { NamedInput, OpenName } from './named.ts'
import type { OptimizerName } from './optimizer-names.ts'
import type { OBJECTIVES } from './preference-options.ts'
import type { Nullable, OneOrMore } from './input-forms.ts'
import type { PreferenceInput } from './preference-input.ts'
import type { SavingInput } from './saving-input.ts'
import type { TrackerInput } from './tracker-input.ts'

/** What may stand under `peft:`. */
export interface PeftInput {
  readonly loftq_config?:
    | {
        readonly loftq_bits?: number | null | undefined
        readonly loftq_iter?: number | null | undefined
      }
    | null
    | undefined
}

/** A fine-tuning run as a program writes it: what `finetune()` and `finetuneConfig.validate()` take. */
export interface FinetuneInput extends DataInput, PreferenceInput, SavingInput, TrackerInput {
  // ---- Model
  /**
   * a name on the hub (`org/name`, `org/name@revision`, `org/name/file.gguf`), a folder, or a `.gguf` file
   */
  readonly base_model: string
  /**
   * a model with new weights in one of the sizes of tritter: `tritter-test`, `tritter-small`,
   * `tritter-medium`, `tritter-large`, `tritter-1b`, `tritter-xlarge`, `tritter-huge`
   * (guides/from-scratch.md); instead of `base_model`
   */
  readonly preset?: TritterPreset | null | undefined
  /**
   * a model with new weights in the shape of a `config.json`: the file, or the folder or Hub name of a model.
   * Without `base_model`, or with `reinit_weights`
   */
  readonly base_model_config?: string | null | undefined
  /**
   * what is otherwise than in the config.json of the model: of one with new weights its shape, such as `{
   * vocab_size: 512 }`, of others `{ output_router_logits: true }`, `{ rope_scaling: … }`. Default: `{}`
   */
  readonly overrides_of_model_config?: Readonly<Record<string, unknown>> | null | undefined
  /** new weights by `seed` instead of those of `base_model`; all of them are trained. Default: `false` */
  readonly reinit_weights?: boolean | null | undefined
  /**
   * the tokenizer of a model with new weights: a folder, a Hub name, or `bytes`, one token for each byte. Not
   * set: the one of `base_model`
   */
  readonly tokenizer_config?: string | null | undefined
  /**
   * a byte-level BPE tokenizer for a model with new weights, trained on `datasets`: a mapping with
   * `vocab_size` (4096) and `min_frequency` (2)
   */
  readonly train_tokenizer?: Nullable<TrainTokenizer> | null | undefined
  /** a branch, a tag or a commit */
  readonly revision_of_model?: string | null | undefined
  /**
   * use only what is in the local cache of the hub; not set: as `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`
   * say
   */
  readonly offline?: boolean | null | undefined
  /**
   * `cpu`; `cuda` or `cuda:1`, an NVIDIA GPU (8.0 and newer); `wasm`, the CPU's kernels in WebAssembly;
   * `auto`: the first GPU if it can be used, else the CPU, where that has no native library `wasm`, and the
   * summary says why. `cuda-emulated` runs the GPU kernels on the CPU, for tests; or the name of a plugin's
   * device. Default: `auto`
   */
  readonly device?: OpenName<DeviceName> | null | undefined
  /** as many as there are cores; at most 256 */
  readonly threads?: number | null | undefined
  /**
   * processes that make some steps each and then meet in the mean, for slow links (distributed.md): a mapping
   * with `every`, `codec`, `exchange`, `rate`, `momentum`, `when_cut` and more. Not set: each process has its
   * part of every step
   */
  readonly diloco?: DilocoInput | null | undefined
  /**
   * `1`: the state of the optimizer is divided over the processes of a job, each of which makes the step of
   * its part and brings it to the others (distributed.md); the same weights. `0`: each has all of it.
   * Default: `0`
   */
  readonly zero_stage?: 0 | 1 | null | undefined
  /**
   * the frozen weights of the blocks are divided over the processes of a job, and brought together block by
   * block in every pass (distributed.md); the same numbers, on the CPU. Default: `false`
   */
  readonly shard_base?: boolean | null | undefined
  /** seconds that a process of a job waits for the others, before the job is ended; not set: 1800 */
  readonly ddp_timeout?: number | null | undefined
  /**
   * `lean` makes the outputs of norms and gates again in the backward pass instead of keeping them, and runs
   * the first eighth of the blocks again: the same bits, less memory; `fast` keeps them; `auto` decides by
   * the memory that is free, and the summary says why. Default: `auto`
   */
  readonly memory?: 'auto' | 'lean' | 'fast' | null | undefined
  /**
   * `auto` computes as the checkpoint is stored (GGUF: f32; f16: bf16); `true`, `full` or `false` decide.
   * Default: `auto`
   */
  readonly bf16?: 'auto' | 'full' | boolean | null | undefined

  // ---- Adapter
  /**
   * `lora` or `dora` (adapters/lora.md); `qlora`, LoRA on a base in 4 bits (quantization.md); another method
   * of PEFT (guides/adapters.md); the name of a plugin's adapter; or `none` (also when not set): all weights
   * are trained
   */
  readonly adapter?: OpenName<AdapterName> | null | undefined
  /**
   * modules to load: a path from the folder of this file, such as `./mine.ts`, or an installed package, with
   * a range of versions where that matters: `npm:tritune-plugin-foo@^1.2` (plugins.md). Default: `[]`
   */
  readonly plugins?: readonly string[] | null | undefined
  /**
   * options of any adapter but lora, which checks them itself; those of PEFT's methods are named as PEFT
   * names them. Default: `{}`
   */
  readonly adapter_options?: Readonly<Record<string, unknown>> | null | undefined
  /**
   * packs the frozen weights of the linear layers while they are loaded: `nf4` or `fp4` (options `block`,
   * `double_quant`), `int8`, `ternary`, `bitnet` (options `scale`, `span`, `group`), or the name of a
   * plugin's; options as in `{ name: nf4, double_quant: false }`. Without an adapter `bitnet` trains the
   * weights that it rounds (option `sub_norm`: bitnet.md). `quantization: bitnet` is the same. `qat` trains
   * weights that torchao will round to `int4`, `nvfp4` or `mxfp4` (options `weight_dtype`,
   * `activation_dtype`, `group_size`, `fake_quant_after_n_steps`), as axolotl’s `qat:` does
   */
  readonly quantizer?: NamedInput<'nf4' | 'fp4' | 'int8' | 'ternary' | 'bitnet' | 'qat'> | null | undefined
  /**
   * packs the base into 4 bits while it is loaded: `nf4` with double quantization, unless `bnb_config_kwargs`
   * says otherwise. `adapter: qlora` alone means it too. A base that is stored packed stays as it is
   * (quantization.md). Default: `false`
   */
  readonly load_in_4bit?: boolean | null | undefined
  /**
   * packs the base into rows of int8 while it is loaded, with the outlier columns of LLM.int8. Default:
   * `false`
   */
  readonly load_in_8bit?: boolean | null | undefined
  /**
   * fields of transformers' BitsAndBytesConfig: `bnb_4bit_quant_type` (`nf4`, `fp4`),
   * `bnb_4bit_use_double_quant`, `bnb_4bit_compute_dtype` (decides `bf16: auto`), `llm_int8_threshold`,
   * `llm_int8_skip_modules`
   */
  readonly bnb_config_kwargs?: Nullable<BnbOptions> | null | undefined
  /** start from this adapter instead of a fresh one */
  readonly lora_model_dir?: string | null | undefined
  /** rank; also of other methods that have one, unless `adapter_options` says it. Default: `8` */
  readonly lora_r?: number | null | undefined
  /** the update is scaled by alpha / rank; as `lora_r` for other methods. Default: `8` */
  readonly lora_alpha?: number | null | undefined
  /** chance to drop an input of the update, below 1; as `lora_r` for other methods. Default: `0` */
  readonly lora_dropout?: number | null | undefined
  /**
   * name endings, or a regular expression on the whole path; not set: `q_proj` and `v_proj` (gpt2: `c_attn`),
   * for ia3 as in PEFT. For every adapter
   */
  readonly lora_target_modules?: readonly string[] | string | null | undefined
  /** all linear layers but the output head. For every adapter. Default: `false` */
  readonly lora_target_linear?: boolean | null | undefined
  /** layers that are left out. For every adapter */
  readonly lora_exclude_modules?: readonly string[] | string | null | undefined
  /**
   * weights by the names of the parameters (`mlp.down_proj.weight`), as PEFT has it for what is no module.
   * Alone it goes on nothing else; nothing is dropped there. Default: `[]`
   */
  readonly lora_target_parameters?: readonly string[] | null | undefined
  /** only these layer numbers. For every adapter */
  readonly peft_layers_to_transform?: readonly number[] | number | null | undefined
  /**
   * what stands before the number of a layer in its path, such as `layers` or an expression, where it is not
   * clear. For every adapter
   */
  readonly peft_layers_pattern?: readonly string[] | string | null | undefined
  /** other ranks for some layers: a name or regular expression for each. Default: `{}` */
  readonly lora_rank_pattern?: Readonly<Record<string, number>> | null | undefined
  /** other alphas for some layers. Default: `{}` */
  readonly lora_alpha_pattern?: Readonly<Record<string, number>> | null | undefined
  /** scale by alpha / √rank. Default: `false` */
  readonly peft_use_rslora?: boolean | null | undefined
  /**
   * how the factors start: `true`, `gaussian`, `orthogonal`; `pissa`, `pissa_niter_16`, `olora` (the main
   * part of the weight), `loftq` (what 4 bits leave of it), `eva` (the main part of what the layer gets,
   * found in the data); `false`: both random, for tests (adapters/lora.md). Default: `true`
   */
  readonly peft_init_lora_weights?: LoraInit | null | undefined
  /**
   * DoRA: the length of each row of the weight is trained beside its direction; the same as `adapter: dora`.
   * Default: `false`
   */
  readonly peft_use_dora?: boolean | null | undefined
  /** `{ loftq_config: { loftq_bits: 4, loftq_iter: 1 } }`: `loftq` as the start */
  readonly peft?: PeftInput | null | undefined
  /** LoRA+: B learns so many times as fast as A */
  readonly loraplus_lr_ratio?: number | null | undefined
  /** LoRA+: the learning rate of the factors of an embedding. Default: `1e-6` */
  readonly loraplus_lr_embedding?: number | null | undefined
  /**
   * layers and norms that are trained whole and saved beside the adapter, by the endings of their names:
   * `[embed_tokens, lm_head]` (new-tokens.md). Default: `[]`
   */
  readonly lora_modules_to_save?: readonly string[] | null | undefined
  /**
   * token ids whose rows are trained beside the adapter: of the embedding (and the head that is tied to it),
   * or of layers by name, `{ embed_tokens: [5], lm_head: [5] }`. Rows of new tokens are trained in any case
   */
  readonly peft_trainable_token_indices?: TrainableTokens | null | undefined
  /**
   * where embedding and head are one weight: a LoRA on one of them, or what `lora_modules_to_save` makes of
   * it, is the other’s too. Default: `false`
   */
  readonly peft_ensure_weight_tying?: boolean | null | undefined

  // ---- Data
  /**
   * tokens to use instead of the tokenizer's; those that the vocabulary lacks are added.
   * `additional_special_tokens` is a list of more. Default: `{ bos_token: null, eos_token: null, pad_token:
   * null, unk_token: null, additional_special_tokens: null }`
   */
  readonly special_tokens?: Nullable<SpecialTokens> | null | undefined
  /** added to the vocabulary, each as one token (new-tokens.md). Default: `[]` */
  readonly tokens?: readonly string[] | null | undefined
  /**
   * other texts for tokens that the tokenizer keeps in reserve, by id: `{ 128011: "<|tool|>" }`. Nothing
   * grows. Default: `{}`
   */
  readonly added_tokens_overrides?: Readonly<Record<string, string>> | null | undefined
  /** when the vocabulary grows, to a multiple of 32. Default: `false` */
  readonly resize_token_embeddings_to_32x?: boolean | null | undefined
  /**
   * rows of new tokens start around the mean of the others, as transformers does by default; else, as axolotl
   * does, around 0 with the model's `initializer_range`. Default: `false`
   */
  readonly mean_resizing_embeddings?: boolean | null | undefined

  // ---- Training
  /**
   * the highest one; `2e-4` may be written without a dot. `auto`: short branches from the start of the run
   * look for it, for at most 15 % of its steps (optimizers.md)
   */
  readonly learning_rate: number | 'auto'
  /** the learning rate of input embeddings and output head, where they are trained; they do not decay then */
  readonly embedding_lr?: number | null | undefined
  /** the same as a factor on `learning_rate`; it wins */
  readonly embedding_lr_scale?: number | null | undefined
  /**
   * learning rates of some parameters: a list of mappings with `name`, `modules` (parts of the names of
   * parameters) and `lr`. Default: `[]`
   */
  readonly lr_groups?: readonly LrGroup[] | null | undefined
  /**
   * without an adapter, only these weights are trained: expressions that are found in their names, in which a
   * dot is a dot, such as `["^lm_head.weight$", "layers.2[0-9]."]`. Default: `[]`
   */
  readonly unfrozen_parameters?: readonly string[] | null | undefined
  /**
   * noise on the embeddings in training (NEFTune), uniform in ± alpha / √(tokens of the row × channels); 5 is
   * usual
   */
  readonly neftune_noise_alpha?: number | null | undefined
  /**
   * share of each label that all tokens get alike (`label_smoothing` of `objective: cross_entropy`), in
   * evaluations too. Default: `0`
   */
  readonly label_smoothing_factor?: number | null | undefined
  /** may be a fraction. Default: `1` */
  readonly num_epochs?: number | null | undefined
  /** instead of what the epochs take; 0 and -1 are as if not set */
  readonly max_steps?: number | null | undefined
  /**
   * documents, or packed rows, that are computed at once; `auto`: as many as fit in the memory by the
   * estimate, of those that `batch_size` (or `gradient_accumulation_steps`) gives to a step. Default: `1`
   */
  readonly micro_batch_size?: number | 'auto' | null | undefined
  /**
   * micro-batches of a step; not set: 1, or what `batch_size` gives. `auto`, beside `micro_batch_size: auto`
   * and `learning_rate: auto`: none are accumulated, the micro-batch that learns fastest is the batch, and
   * `batch_size` is the one that `adam_beta2` is for (optimizers.md)
   */
  readonly gradient_accumulation_steps?: number | 'auto' | null | undefined
  /** documents of a step: `micro_batch_size` × accumulation */
  readonly batch_size?: number | null | undefined
  /** as `micro_batch_size` */
  readonly eval_batch_size?: number | null | undefined
  /**
   * `adamw_torch_fused`, `adamw_torch`, `adamw`, `adamw_apex_fused`, `optimi_adamw` and `paged_adamw_32bit`
   * are the same AdamW here; `adamw_8bit`, `adamw_bnb_8bit` and `paged_adamw_8bit` keep its moments in 8 bits
   * as bitsandbytes does, for tensors from 4096 elements, and so do torchao’s `adamw_torch_8bit`
   * (`ao_adamw_8bit`, `ao_adamw_fp8`, `adamw_torch_4bit`, `ao_adamw_4bit`) with a note; `paged_…` keep their
   * state in a file; `lion` (`lion_pytorch`, `lion_32bit`, `paged_lion_32bit`), `lion_8bit`
   * (`paged_lion_8bit`), `adafactor`, `muon`, `soap`, `schedule_free_adamw`, `sgd`, `rmsprop`
   * (optimizers.md); or the name of a plugin's. Default: `adamw_torch_fused`
   */
  readonly optimizer?: OpenName<OptimizerName> | null | undefined
  /**
   * options of the optimizer, which checks them itself (optimizers.md); AdamW's are the `adam_*` keys.
   * Default: `{}`
   */
  readonly optim_args?: Readonly<Record<string, unknown>> | null | undefined
  /**
   * what happens to the gradients before they are clipped: names, or mappings with `name` and options; `clip`
   * is built in. Default: `[]`
   */
  readonly transforms?: OneOrMore<NamedInput<'clip' | 'keep_zeros'>> | null | undefined
  /**
   * how: `num_generations`, `beta`, `max_completion_length`, `reward_funcs`, …, as in trl and axolotl
   * (grpo.md)
   */
  readonly trl?: Readonly<Record<string, unknown>> | null | undefined
  /** a module whose exported functions are rewards; its path starts at the folder of this file */
  readonly rewards?: string | null | undefined
  /** the loss: a name, or a mapping with `name` and options. Default: `cross_entropy` */
  readonly objective?: NamedInput<(typeof OBJECTIVES)[number]> | null | undefined
  /**
   * what wraps the training step: one or a list of names or mappings, the first is the outermost. Default:
   * `[]`
   */
  readonly strategy?: OneOrMore<NamedInput<'lisa'>> | null | undefined
  /** the order of the examples: a plugin's name or mapping; not set: a shuffle by `seed` and epoch */
  readonly sampler?: NamedInput | null | undefined
  /** decay of the first moment of AdamW; also of Lion, Muon, SOAP and schedule-free AdamW. Default: `0.9` */
  readonly adam_beta1?: number | null | undefined
  /**
   * decay of the second moment of AdamW; also of Lion, Muon, SOAP and schedule-free AdamW. Default: `0.999`
   */
  readonly adam_beta2?: number | null | undefined
  /**
   * instead of `adam_beta2`: the tokens in which the second moment forgets half, whatever the batch is
   * (optimizers.md); `1e7` is usual
   */
  readonly adam_beta2_half_life?: number | null | undefined
  /** added to the root of the second moment, so that nothing is divided by 0. Default: `1e-8` */
  readonly adam_epsilon?: number | null | undefined
  /**
   * decoupled; biases and the weights of norms do not decay, as with transformers. Embeddings do. Default:
   * `0`
   */
  readonly weight_decay?: number | null | undefined
  /** gradients are scaled down to this norm; 0 does not clip. Default: `1` */
  readonly max_grad_norm?: number | null | undefined
  /**
   * `cosine`, `linear`, `constant`, `constant_with_warmup`, `warmup_stable_decay` (or `wsd`),
   * `cosine_with_restarts`, `cosine_with_min_lr`, `cosine_warmup_with_min_lr`, `polynomial`, `inverse_sqrt`,
   * `rex`, `two_stage`, `one_cycle`, or `reduce_lr_on_plateau`, which follows the evaluations
   * (optimizers.md). Default: `cosine`
   */
  readonly lr_scheduler?: LrScheduler | 'wsd' | null | undefined
  /** options of the schedule, as transformers and torch name them (optimizers.md). Default: `{}` */
  readonly lr_scheduler_kwargs?: Nullable<LrSchedulerOptions> | null | undefined
  /** `cosine` and `rex` never fall below this part of the highest */
  readonly cosine_min_lr_ratio?: number | null | undefined
  /** with `cosine_min_lr_ratio`: `cosine` is at its lowest after this part of the steps, and stays there */
  readonly cosine_constant_lr_ratio?: number | null | undefined
  /** the warm-up of `cosine` is a parabola. Default: `false` */
  readonly lr_quadratic_warmup?: boolean | null | undefined
  /** or below 1 a part of all steps; not set: 3 % of the steps, at most 100 */
  readonly warmup_steps?: number | null | undefined
  /** the same as a part of all steps; `warmup_steps: 0` beside it is no warm-up */
  readonly warmup_ratio?: number | null | undefined
  /**
   * less memory, one more forward pass; `offload` and `offload_disk` are `true` with `activation_offloading:
   * true` and `disk`; `unsloth` is read as `true`. Default: `false`
   */
  readonly gradient_checkpointing?: boolean | 'offload' | 'offload_disk' | 'unsloth' | null | undefined
  /**
   * what `gradient_checkpointing` keeps waits outside of the device: on a GPU in the memory of the host, on
   * the CPU in a file; `disk`: in a file everywhere; `legacy` is read as `true` (memory)
   */
  readonly activation_offloading?: boolean | 'legacy' | 'disk' | null | undefined
  /** the folder of that file; not set: `output_dir` */
  readonly activation_offloading_dir?: string | null | undefined
  /** decides order, initial values and dropout. Default: `42` */
  readonly seed?: number | null | undefined
}
