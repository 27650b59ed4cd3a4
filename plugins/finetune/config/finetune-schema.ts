/**
 * The keys of a fine-tuning run that are used, field by field, with axolotl's names and defaults.
 *
 * Ranges and types only: what does not go together is in `finetune-rules.ts`, keys that are known but unused are in
 * `keys/`. https://docs.axolotl.ai/docs/config-reference.html
 */
import * as v from 'valibot'
import {
  decimal,
  flag,
  FLAG,
  integer,
  listOf,
  mapOf,
  NON_EMPTY,
  nullable,
  oneOf,
  optional,
  partOrCount,
  takes,
  text,
  withExample,
  withJson,
} from '../../../core/contracts/config-fields.ts'
import type { Field, JsonSchema } from '../../../core/contracts/config-fields.ts'
import type { RampType } from '../../../core/mod.ts'
import type { DeviceName } from '../../cuda/mod.ts'
import { type AdvisorName, ADVISORS } from '../../advise/mod.ts'
import { CHAT_TEMPLATE_CHOICES, datasetOptions } from '../../data/mod.ts'
import type { DatasetInput, DatasetOptions } from '../../data/mod.ts'
import type { TrainableTokens } from '../../peft/mod.ts'
import { IGNORED_PLUGINS } from './keys/python-plugins.ts'
import type { FinetuneInput, PeftInput } from './finetune-input.ts'
import type { Nullable } from './input-forms.ts'
import type { LoraInit } from '../../peft/mod.ts'
import type {
  FinetuneFields,
  LrGroup,
  LrSchedulerOptions,
  PeftSettings,
  SpecialTokens,
} from './finetune-options.ts'
import { learningRate, microBatch } from './auto-fields.ts'
import { type AdapterName, ADAPTERS } from './adapter-names.ts'
import { TRITTER_PRESETS, type TritterPreset } from '../../models/mod.ts'
import { bnbOptions } from './bnb-options.ts'
import { DEVICES } from './device-names.ts'
import { dilocoOptions } from './diloco-options.ts'
import { LATER_OPTIMIZERS, LATER_SCHEDULERS, LATER_TEMPLATES } from './later-names.ts'
import { BYTES, trainTokenizer } from '../model/new-model.ts'
import { named, namedList, type OpenName, openNames } from './named.ts'
import { DEFAULT_BETA2, type OptimizerName, OPTIMIZERS } from './optimizer-names.ts'
import { OBJECTIVES, preferenceFields } from './preference-options.ts'
import { trackerFields } from './tracker-keys.ts'
import { SCHEDULERS } from '../training/schedules.ts'

const patterns: Field<readonly string[] | string, readonly string[] | string> = v.union(
  [v.pipe(v.string(), v.minLength(1)), v.pipe(v.array(v.string()), v.minLength(1))],
  'expected a list of module names, a regular expression or all-linear',
)

/** All, none, or some by name. */
const advisors: Field<readonly AdvisorName[], boolean | AdvisorName | readonly AdvisorName[]> = withJson(
  v.lazy((input) => {
    if (Array.isArray(input)) return listOf(oneOf(ADVISORS))
    const isName = typeof input === 'string' && !/^(yes|no|on|off|true|false)$/i.test(input)
    return isName
      ? v.pipe(
          oneOf(ADVISORS),
          v.transform((name) => [name]),
        )
      : v.pipe(
          flag(),
          v.transform((all) => (all ? ADVISORS : [])),
        )
  }),
  { anyOf: [FLAG, { enum: ADVISORS }, { type: 'array', items: { enum: ADVISORS } }] },
)

const PRESETS = Object.keys(TRITTER_PRESETS) as readonly TritterPreset[]

type Bf16 = 'auto' | 'full' | boolean

const bf16Field: Field<Bf16, Bf16> = withJson<Bf16, Bf16>(
  v.lazy((input) => (input === 'auto' || input === 'full' ? v.picklist(['auto', 'full']) : flag())),
  { anyOf: [{ enum: ['auto', 'full'] }, FLAG] },
)

/** Names of plugins are looked up when the plugins are there; others are told by a rule. */
const deviceField: Field<string, OpenName<DeviceName>> = withJson<string, OpenName<DeviceName>>(
  text('the name of a device'),
  openNames(DEVICES),
)

/** Names of plugins are looked up when the plugins are there. */
const adapterField: Field<string, OpenName<AdapterName>> = withJson<string, OpenName<AdapterName>>(
  text('the name of an adapter'),
  openNames(ADAPTERS),
)

/** A name that is not known may be a plugin's; one that other tools know is not here yet. */
const optimizerField: Field<string, OpenName<OptimizerName>> = withJson<string, OpenName<OptimizerName>>(
  v.lazy((input) =>
    typeof input === 'string' && LATER_OPTIMIZERS.includes(input)
      ? oneOf(Object.keys(OPTIMIZERS), { later: LATER_OPTIMIZERS })
      : text('the name of an optimizer'),
  ),
  { anyOf: [{ enum: Object.keys(OPTIMIZERS) }, { ...NON_EMPTY, not: { enum: LATER_OPTIMIZERS } }] },
)

/** PEFT's names of starts that are here. */
export const LORA_STARTS = ['gaussian', 'orthogonal', 'pissa', 'olora', 'loftq', 'eva'] as const
const LATER_STARTS = ['corda', 'lora_ga', 'mica']
const PISSA_ROUNDS = /^pissa_niter_[1-9]\d{0,3}$/

const pissaRounds: Field<`pissa_niter_${number}`, `pissa_niter_${number}`> = withJson(
  v.custom<`pissa_niter_${number}`>((value) => typeof value === 'string' && PISSA_ROUNDS.test(value)),
  { type: 'string', pattern: PISSA_ROUNDS.source },
)

const initField: Field<LoraInit, LoraInit> = withJson<LoraInit, LoraInit>(
  v.lazy((input) => {
    if (typeof input !== 'string') return flag()
    return PISSA_ROUNDS.test(input) ? pissaRounds : oneOf([...LORA_STARTS], { later: LATER_STARTS })
  }),
  {
    anyOf: [
      { enum: [...LORA_STARTS] },
      { type: 'string', pattern: PISSA_ROUNDS.source },
      { type: 'boolean' },
      { enum: [0, 1] },
    ],
  },
)

/** Those that PEFT has: nf4 and int8. */
const loftqBits: Field<number, number> = withJson<number, number>(
  v.pipe(
    integer(),
    v.check((bits) => bits === 4 || bits === 8, 'expected 4 (nf4) or 8 (int8)'),
  ),
  { enum: [4, 8] },
)

const peftField: Field<PeftSettings, PeftInput> = v.strictObject(
  {
    loftq_config: optional(
      v.strictObject(
        {
          loftq_bits: nullable(loftqBits),
          loftq_iter: optional(integer({ min: 1, max: 100 }), 1),
        },
        'expected a mapping such as { loftq_bits: 4 }',
      ),
      { loftq_bits: null, loftq_iter: 1 },
    ),
  },
  'expected a mapping such as { loftq_config: { loftq_bits: 4 } }',
)

const LAYER: JsonSchema = { type: 'integer', minimum: 0 }

/** Old files write one dataset file as `data_files: x`; one layer number as `7`. */
const layers: Field<readonly number[], readonly number[] | number> = withJson<
  readonly number[],
  readonly number[] | number
>(
  v.lazy((input) =>
    Array.isArray(input)
      ? listOf(integer({ min: 0 }))
      : v.pipe(
          integer({ min: 0 }),
          v.transform((layer) => [layer]),
        ),
  ),
  { anyOf: [LAYER, { type: 'array', items: LAYER }] },
)

/** A flag, or one of some words. */
function flagOr<const W extends string>(words: readonly W[]): Field<boolean | W, boolean | W> {
  return withJson<boolean | W, boolean | W>(
    v.lazy((input) => (words.some((word) => word === input) ? v.picklist(words) : flag())),
    { anyOf: [FLAG, { enum: words }] },
  )
}

const specialTokens: Field<SpecialTokens, Nullable<SpecialTokens>> = v.strictObject(
  {
    bos_token: nullable(text()),
    eos_token: nullable(text()),
    pad_token: nullable(text()),
    unk_token: nullable(text()),
    additional_special_tokens: nullable(listOf(text())),
  },
  'expected a mapping such as { pad_token: "<pad>" }',
)

const TOKEN_IDS: JsonSchema = { type: 'array', items: { type: 'integer', minimum: 0 } }

/** Of the embedding, or of the layers that are named. */
const tokenIndices: Field<TrainableTokens, TrainableTokens> = withJson<TrainableTokens, TrainableTokens>(
  v.lazy((input) =>
    Array.isArray(input) ? listOf(integer({ min: 0 })) : mapOf(listOf(integer({ min: 0 })), 'token ids'),
  ),
  { anyOf: [TOKEN_IDS, { type: 'object', additionalProperties: TOKEN_IDS }] },
)

type TokenTexts = Readonly<Record<string, string>>

/** Token id → its new text. */
const tokenTexts: Field<TokenTexts, TokenTexts> = withJson<TokenTexts, TokenTexts>(
  v.lazy((input) =>
    Array.isArray(input)
      ? v.custom<TokenTexts>(() => false, 'expected a mapping such as { 128011: "<|tool|>" }')
      : mapOf(text()),
  ),
  { type: 'object', additionalProperties: NON_EMPTY },
)

const ramp: Field<RampType, RampType> = oneOf(['linear', 'cosine', '1-sqrt'])
const steps = (min: number): Field<number, number> => integer({ min })
const part: Field<number, number> = decimal({ min: 0, max: 1 })
const above: Field<number, number> = decimal({ above: 0 })
const atLeast0: Field<number, number> = decimal({ min: 0 })

const schedulerOptions: Field<LrSchedulerOptions, Nullable<LrSchedulerOptions>> = v.pipe(
  v.strictObject(
    {
      num_decay_steps: nullable(steps(1)),
      num_stable_steps: nullable(steps(0)),
      min_lr_ratio: nullable(part),
      warmup_type: nullable(ramp),
      decay_type: nullable(ramp),
      num_cycles: nullable(above),
      min_lr: nullable(atLeast0),
      min_lr_rate: nullable(part),
      warmup_lr_rate: nullable(part),
      power: nullable(above),
      lr_end: nullable(atLeast0),
      timescale: nullable(steps(1)),
      stage_start: nullable(part),
      stage_lr_ratio: nullable(part),
      pct_start: nullable(part),
      anneal_strategy: nullable(oneOf(['cos', 'linear'])),
      div_factor: nullable(above),
      final_div_factor: nullable(above),
      three_phase: nullable(flag()),
      cycle_momentum: nullable(flag()),
      factor: nullable(decimal({ above: 0, below: 1 })),
      patience: nullable(steps(0)),
      threshold: nullable(atLeast0),
      threshold_mode: nullable(oneOf(['rel', 'abs'])),
      cooldown: nullable(steps(0)),
      eps: nullable(atLeast0),
      mode: nullable(oneOf(['min'])),
    },
    'expected a mapping such as { num_cycles: 2 }',
  ),
  v.transform(given),
)

const lrGroup: Field<LrGroup, LrGroup> = v.strictObject(
  {
    name: text('a name'),
    modules: v.pipe(
      listOf(text('a part of the names of parameters')),
      v.minLength(1, 'expected at least one'),
    ),
    lr: above,
  },
  'expected a mapping such as { name: values, modules: [v_proj], lr: 1e-5 }',
)

/** Without what is not given. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], null> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)) as {
    [K in keyof T]?: Exclude<T[K], null>
  }
}

const validationSize: Field<number, number> = partOrCount(
  'expected a part below 1 or a whole number of examples',
)

/** 0 and -1 say in the files of others that the epochs decide. */
const stepCount: Field<number | null, number> = v.pipe(
  integer({ min: -1 }),
  v.transform((steps) => (steps > 0 ? steps : null)),
)

const stepsOrPart: Field<number, number> = partOrCount(
  'expected a whole number of steps, or a part of all steps below 1',
)

/** axolotl's own plugins are sorted out before. */
const moduleField: Field<string, string> = withJson(text('the name or path of a module'), {
  anyOf: [{ enum: Object.keys(IGNORED_PLUGINS) }, { ...NON_EMPTY, not: { pattern: '^axolotl\\.' } }],
})

/** Checked in full, with what the hub says, before the first step. */
const hubName: Field<string, string> = v.pipe(
  text('the name of a repository'),
  v.regex(/^[\w.-]+\/[\w.-]+$/, 'expected org/name, a repository of the hub'),
)

const datasetList: Field<readonly DatasetOptions[], readonly DatasetInput[]> = listOf(
  datasetOptions,
  'a list of datasets',
)
const strategy: Field<'no' | 'steps' | 'epoch', 'no' | 'steps' | 'epoch'> = oneOf(['no', 'steps', 'epoch'], {
  later: ['best'],
})
const noTokens: SpecialTokens = {
  bos_token: null,
  eos_token: null,
  pad_token: null,
  unk_token: null,
  additional_special_tokens: null,
}

const zeroStage: Field<0 | 1, 0 | 1> = v.picklist([0, 1], ({ input }) =>
  [2, 3].includes(Number(input))
    ? `stage ${String(input)} is not supported: 1 divides the state of the optimizer, and shard_base: true the frozen weights`
    : 'expected 0 or 1',
)

const schema = v.strictObject(
  {
    base_model: withExample(
      text('the folder or Hub name of a model'),
      'base_model: HuggingFaceTB/SmolLM2-135M-Instruct',
    ),
    preset: nullable(oneOf(PRESETS)),
    base_model_config: nullable(text('a config.json, or the folder or Hub name of a model')),
    overrides_of_model_config: optional(mapOf(v.unknown()), {}),
    reinit_weights: optional(flag(), false),
    tokenizer_config: nullable(text(`the folder or Hub name of a tokenizer, or ${BYTES}`)),
    train_tokenizer: nullable(trainTokenizer),
    revision_of_model: nullable(text()),
    offline: nullable(flag()),

    adapter: nullable(adapterField),
    adapter_options: optional(mapOf(v.unknown()), {}),
    lora_model_dir: nullable(text('the folder of an adapter')),
    lora_r: optional(integer({ min: 1 }), 8),
    lora_alpha: optional(decimal({ above: 0 }), 8),
    lora_dropout: optional(decimal({ min: 0, below: 1 }), 0),
    lora_target_modules: nullable(patterns),
    lora_target_linear: optional(flag(), false),
    lora_exclude_modules: nullable(patterns),
    lora_target_parameters: optional(listOf(text()), []),
    lora_modules_to_save: optional(listOf(text()), []),
    peft_trainable_token_indices: nullable(tokenIndices),
    peft_ensure_weight_tying: optional(flag(), false),
    lora_rank_pattern: optional(mapOf(integer({ min: 1 })), {}),
    lora_alpha_pattern: optional(mapOf(decimal({ above: 0 })), {}),
    peft_use_rslora: optional(flag(), false),
    peft_use_dora: optional(flag(), false),
    peft: nullable(peftField),
    loraplus_lr_ratio: nullable(decimal({ above: 0 })),
    loraplus_lr_embedding: optional(decimal({ above: 0 }), 1e-6),
    peft_init_lora_weights: optional(initField, true),
    peft_layers_to_transform: nullable(layers),
    peft_layers_pattern: nullable(patterns),

    sequence_len: optional(integer({ min: 1 }), 512),
    excess_length_strategy: optional(oneOf(['drop', 'truncate', 'raise']), 'drop'),
    min_sample_len: optional(integer({ min: 1 }), 2),
    sample_packing: optional(flag(), false),
    eval_sample_packing: nullable(flag()),
    train_on_inputs: optional(flag(), false),
    group_by_length: optional(flag(), false),
    curriculum_sampling: optional(flag(), false),
    sample_packing_sequentially: optional(flag(), false),
    dataloader_drop_last: optional(flag(), false),

    micro_batch_size: optional(microBatch, 1),
    gradient_accumulation_steps: nullable(microBatch),
    batch_size: nullable(integer({ min: 1 })),
    eval_batch_size: nullable(integer({ min: 1 })),
    num_epochs: optional(decimal({ above: 0 }), 1),
    max_steps: nullable(stepCount),
    learning_rate: withExample(learningRate, 'learning_rate: 2e-4'),
    embedding_lr: nullable(above),
    embedding_lr_scale: nullable(above),
    lr_groups: optional(listOf(lrGroup, 'a list of groups'), []),
    unfrozen_parameters: optional(listOf(text()), []),
    neftune_noise_alpha: nullable(above),
    label_smoothing_factor: optional(decimal({ min: 0, below: 1 }), 0),
    optimizer: optional(optimizerField, 'adamw_torch_fused'),
    optim_args: optional(mapOf(v.unknown()), {}),
    transforms: optional(namedList(['clip', 'keep_zeros']), []),
    strategy: optional(namedList(['lisa']), []),
    objective: v.nullish(named(OBJECTIVES), 'cross_entropy'),
    ...preferenceFields,
    trl: nullable(mapOf(v.unknown(), 'a mapping such as { num_generations: 8 }')),
    rewards: nullable(text('the file of the rewards')),
    monitors: optional(namedList(), []),
    sampler: nullable(named()),
    quantizer: nullable(named(['nf4', 'fp4', 'int8', 'ternary', 'bitnet', 'qat'])),
    load_in_4bit: optional(flag(), false),
    load_in_8bit: optional(flag(), false),
    bnb_config_kwargs: nullable(bnbOptions),
    adam_beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
    adam_beta2: optional(decimal({ min: 0, below: 1 }), DEFAULT_BETA2),
    adam_beta2_half_life: nullable(above),
    adam_epsilon: optional(decimal({ above: 0 }), 1e-8),
    weight_decay: optional(decimal({ min: 0 }), 0),
    lr_scheduler: optional(oneOf([...SCHEDULERS, 'wsd'], { later: LATER_SCHEDULERS }), 'cosine'),
    lr_scheduler_kwargs: optional(schedulerOptions, {}),
    cosine_min_lr_ratio: nullable(decimal({ min: 0, max: 1 })),
    cosine_constant_lr_ratio: nullable(decimal({ min: 0, max: 1 })),
    lr_quadratic_warmup: optional(flag(), false),
    warmup_steps: nullable(stepsOrPart),
    warmup_ratio: nullable(decimal({ min: 0, max: 1 })),
    max_grad_norm: optional(decimal({ min: 0 }), 1),
    bf16: optional(bf16Field, 'auto'),
    gradient_checkpointing: optional(flagOr(['offload', 'offload_disk', 'unsloth']), false),
    activation_offloading: nullable(flagOr(['legacy', 'disk'])),
    activation_offloading_dir: nullable(text('a folder')),
    seed: optional(integer({ min: 0 }), 42),

    datasets: withExample(
      v.pipe(datasetList, v.minLength(1, 'expected at least one dataset')),
      'datasets: [{ path: my-data.jsonl, type: alpaca }]',
    ),
    test_datasets: optional(datasetList, []),
    dataset_prepared_path: nullable(text('a folder')),
    dataset_processes: nullable(integer({ min: 0 })),
    dataset_exact_deduplication: optional(flag(), false),
    dataset_near_deduplication: nullable(decimal({ above: 0, max: 1 })),
    streaming: optional(flag(), false),
    streaming_multipack_buffer_size: optional(integer({ min: 1 }), 10_000),
    max_skipped_share: optional(decimal({ min: 0, max: 1 }), 0.1),
    val_set_size: optional(validationSize, 0),
    shuffle_merged_datasets: optional(flag(), true),
    chat_template: nullable(oneOf(CHAT_TEMPLATE_CHOICES, { later: LATER_TEMPLATES })),
    chat_template_jinja: nullable(text('a Jinja template or the path of one')),
    eot_tokens: nullable(listOf(text())),
    special_tokens: optional(specialTokens, noTokens),
    tokens: optional(listOf(text()), []),
    added_tokens_overrides: optional(tokenTexts, {}),
    resize_token_embeddings_to_32x: optional(flag(), false),
    mean_resizing_embeddings: optional(flag(), false),

    eval_strategy: nullable(strategy),
    eval_steps: nullable(stepsOrPart),
    evals_per_epoch: nullable(integer({ min: 0 })),
    save_strategy: nullable(strategy),
    save_steps: nullable(stepsOrPart),
    saves_per_epoch: nullable(integer({ min: 0 })),
    save_total_limit: optional(integer({ min: 1 }), 4),
    logging_steps: optional(integer({ min: 1 }), 1),
    early_stopping_patience: nullable(integer({ min: 1 })),
    load_best_model_at_end: nullable(flag()),
    metric_for_best_model: optional(text('the name of a number of evaluations'), 'loss'),
    greater_is_better: nullable(flag()),
    ...trackerFields,
    generate_samples: optional(flag(), false),
    num_generation_samples: optional(integer({ min: 1 }), 3),
    generation_max_new_tokens: optional(integer({ min: 1 }), 50),
    generation_prompt_ratio: optional(decimal({ above: 0, below: 1 }), 0.5),
    generation_do_sample: optional(flag(), true),
    generation_temperature: optional(decimal({ min: 0 }), 0.7),
    generation_top_k: nullable(integer({ min: 0 })),
    generation_top_p: nullable(decimal({ above: 0, max: 1 })),
    histogram_steps: nullable(integer({ min: 1 })),
    loss_watchdog_threshold: nullable(decimal({ above: 0 })),
    loss_watchdog_patience: optional(integer({ min: 1 }), 3),
    advise: optional(advisors, ADVISORS),
    output_dir: optional(text('a folder'), './model-out'),
    resume_from_checkpoint: nullable(text('the folder of a checkpoint')),
    auto_resume_from_checkpoints: optional(flag(), false),

    hub_model_id: nullable(hubName),
    hub_strategy: optional(oneOf(['end', 'every_save', 'checkpoint', 'all_checkpoints']), 'every_save'),
    hub_revision: nullable(text('a branch')),

    device: optional(deviceField, 'auto'),
    threads: nullable(integer({ min: 1, max: 256 })),
    diloco: nullable(dilocoOptions),
    zero_stage: optional(zeroStage, 0),
    shard_base: optional(flag(), false),
    ddp_timeout: nullable(integer({ min: 1, max: 2_000_000 })),
    memory: optional(oneOf(['auto', 'lean', 'fast']), 'auto'),
    plugins: optional(listOf(moduleField), []),
  },
  'expected a mapping',
)

/** The schema, whose keys and input are those of `FinetuneInput`, neither more nor less. */
export const finetuneSchema: Field<FinetuneFields, FinetuneInput> = takes<FinetuneInput>()(schema)
