/**
 * What does not go together in a fine-tuning configuration, although each field is right on its own.
 *
 * Follows axolotl where it has a rule; being stricter than axolotl is left to the places that use a value.
 */
import type { ConfigFailure, ConfigRule } from '../../../core/contracts/config.ts'
import { nearestNames } from '../../../core/errors.ts'
import { autoRateFailures } from '../autotune/auto-rate-rules.ts'
import { bnbFailures } from './bnb-options.ts'
import { dilocoFailures } from './diloco-options.ts'
import { isDeviceName } from '../../cuda/mod.ts'
import { ADAPTERS } from './adapter-names.ts'
import { DEVICES } from './device-names.ts'
import type { FinetuneFields } from './finetune-options.ts'
import { grpoRules } from './grpo-rules.ts'
import { LATER_ADAPTERS } from './later-names.ts'
import { newModelFailures } from '../model/new-model.ts'
import { DEFAULT_BETA2, hasSecondMoment, OPTIMIZERS } from './optimizer-names.ts'
import { preferenceFailures } from './preference-options.ts'
import { kwargsOf, SCHEDULERS } from '../training/schedules.ts'

export const finetuneRules: readonly ConfigRule<FinetuneFields>[] = [
  ({ warmup_steps, warmup_ratio }) => both(warmup_steps, 'warmup_ratio', warmup_ratio, 'warmup_steps'),
  ({ eval_steps, evals_per_epoch }) => both(eval_steps, 'evals_per_epoch', evals_per_epoch, 'eval_steps'),
  ({ save_steps, saves_per_epoch }) => both(save_steps, 'saves_per_epoch', saves_per_epoch, 'save_steps'),
  ({ eval_strategy, eval_steps, evals_per_epoch }) =>
    strategyFailure(
      'eval_strategy',
      eval_strategy,
      'eval_steps',
      eval_steps,
      'evals_per_epoch',
      evals_per_epoch,
    ),
  ({ save_strategy, save_steps, saves_per_epoch }) =>
    strategyFailure(
      'save_strategy',
      save_strategy,
      'save_steps',
      save_steps,
      'saves_per_epoch',
      saves_per_epoch,
    ),
  newModelFailures,
  autoRateFailures,
  batchSize,
  ...grpoRules,
  dilocoFailures,
  shardFailures,
  ({ zero_stage, diloco }) =>
    zero_stage === 1 && diloco !== null
      ? {
          path: ['zero_stage'],
          what: 'is for processes that make every step together, and with diloco each has an optimizer of its own',
          remedy: 'leave out one of them',
        }
      : undefined,
  validation,
  bestModel,
  deviceName,
  adapterName,
  adapterOptions,
  bnbFailures,
  optimizerOptions,
  halfLife,
  smoothing,
  preferenceFailures,
  lora,
  beside,
  reserved,
  ({ peft_layers_pattern, peft_layers_to_transform }) =>
    peft_layers_pattern !== null && peft_layers_to_transform === null
      ? { path: ['peft_layers_pattern'], what: 'needs peft_layers_to_transform, the numbers of the layers' }
      : undefined,
  ({ group_by_length, sampler }) =>
    group_by_length && sampler !== null
      ? { path: ['group_by_length'], what: 'give either group_by_length or sampler, not both' }
      : undefined,
  ({ curriculum_sampling, sampler, group_by_length }) =>
    curriculum_sampling && (sampler !== null || group_by_length)
      ? {
          path: ['curriculum_sampling'],
          what: `give either curriculum_sampling or ${sampler === null ? 'group_by_length' : 'sampler'}, not both`,
        }
      : undefined,
  template,
  ({ activation_offloading, gradient_checkpointing }) =>
    activation_offloading && gradient_checkpointing === false
      ? {
          path: ['activation_offloading'],
          what: 'needs gradient_checkpointing: true, whose blocks it is about',
        }
      : undefined,
  ({ activation_offloading, activation_offloading_dir, gradient_checkpointing }) =>
    activation_offloading_dir !== null && !activation_offloading && !OFFLOADS.has(gradient_checkpointing)
      ? { path: ['activation_offloading_dir'], what: 'needs activation_offloading' }
      : undefined,
  ({ lr_scheduler, lr_quadratic_warmup }) =>
    lr_quadratic_warmup && lr_scheduler !== 'cosine'
      ? { path: ['lr_quadratic_warmup'], what: `is for lr_scheduler: cosine, not for ${lr_scheduler}` }
      : undefined,
  ({ cosine_constant_lr_ratio: part, cosine_min_lr_ratio: least, lr_scheduler }) =>
    part !== null && part > 0 && (least === null || lr_scheduler !== 'cosine')
      ? {
          path: ['cosine_constant_lr_ratio'],
          what: 'is for lr_scheduler: cosine with cosine_min_lr_ratio',
        }
      : undefined,
  schedulerOptions,
  streamed,
  ({ min_sample_len, sequence_len }) =>
    min_sample_len > sequence_len
      ? {
          path: ['min_sample_len'],
          what: `expected at most sequence_len (${sequence_len}), got ${min_sample_len}`,
        }
      : undefined,
]

/** Values of `gradient_checkpointing` that ask for `activation_offloading`, too. */
const OFFLOADS: ReadonlySet<boolean | string> = new Set(['offload', 'offload_disk'])

/** Validation examples come from `val_set_size` or from `test_datasets`. */
export function hasValidation({ val_set_size, test_datasets }: FinetuneFields): boolean {
  return val_set_size > 0 || test_datasets.length > 0
}

/** Whether there will be an evaluation. */
export function evaluates(input: FinetuneFields): boolean {
  const { eval_strategy, evals_per_epoch, eval_steps } = input
  if (!hasValidation(input) || eval_strategy === 'no') return false
  return Boolean(eval_steps) || Boolean(evals_per_epoch) || (eval_steps === null && evals_per_epoch === null)
}

/** What reads whole weights, or has other passes on one process than on another. */
function shardFailures(input: FinetuneFields): readonly ConfigFailure[] {
  if (!input.shard_base) return []
  const failures: ConfigFailure[] = []
  const refuse = (isAsked: boolean, what: string): void => {
    if (isAsked) failures.push({ path: ['shard_base'], what, remedy: 'leave out one of them' })
  }
  const { adapter, diloco, peft_init_lora_weights: init, peft, generate_samples, rl } = input
  refuse(
    adapter === null || adapter === 'none',
    'is for frozen weights, and without an adapter all are trained',
  )
  refuse(diloco !== null, 'is for processes that make every step together, and with diloco they do not')
  refuse(
    /^(pissa|olora|loftq|eva)/.test(String(init)) || typeof peft?.loftq_config.loftq_bits === 'number',
    'leaves no process the whole weights that peft_init_lora_weights starts from',
  )
  refuse(generate_samples, 'is for work of all processes, and generate_samples is that of the first one')
  refuse(rl === 'grpo', 'is for several processes, and rl: grpo runs on one')
  return failures
}

function both(
  value: number | null,
  other: string,
  otherValue: number | null,
  name: string,
): ConfigFailure | undefined {
  if (!value || !otherValue) return undefined
  return { path: [other], what: `give either ${name} or ${other}, not both` }
}

function strategyFailure(
  key: string,
  strategy: string | null,
  stepsKey: string,
  steps: number | null,
  perEpochKey: string,
  perEpoch: number | null,
): ConfigFailure | undefined {
  if (strategy === 'steps' && !steps && !perEpoch) {
    return { path: [key], what: `steps needs ${stepsKey} or ${perEpochKey}` }
  }
  if ((strategy === 'no' || strategy === 'epoch') && steps) {
    return { path: [key], what: `is ${strategy}, but ${stepsKey} is ${steps}` }
  }
  if (strategy === 'epoch' && perEpoch !== null && perEpoch !== 1) {
    return { path: [key], what: `is epoch, but ${perEpochKey} is ${perEpoch}` }
  }
  if (strategy === 'no' && perEpoch) return { path: [key], what: `is no, but ${perEpochKey} is ${perEpoch}` }
  return undefined
}

function batchSize(input: FinetuneFields): ConfigFailure | undefined {
  const { batch_size, micro_batch_size, gradient_accumulation_steps } = input
  if (gradient_accumulation_steps === 'auto') return autoBatch(input)
  if (batch_size === null) return undefined
  if (gradient_accumulation_steps !== null) {
    return { path: ['batch_size'], what: 'give either gradient_accumulation_steps or batch_size, not both' }
  }
  if (micro_batch_size === 'auto' || batch_size % micro_batch_size === 0) return undefined
  return {
    path: ['batch_size'],
    what: `expected a multiple of micro_batch_size (${micro_batch_size}), got ${batch_size}`,
  }
}

/** A batch is chosen with the rate that fits it, from a largest one. */
function autoBatch({
  batch_size,
  micro_batch_size,
  learning_rate,
}: FinetuneFields): ConfigFailure | undefined {
  const missing = [
    ...(micro_batch_size === 'auto' ? [] : ['micro_batch_size: auto']),
    ...(learning_rate === 'auto' ? [] : ['learning_rate: auto']),
    ...(batch_size === null
      ? ['batch_size, the most documents of a step and those that adam_beta2 is for']
      : []),
  ]
  if (missing.length === 0) return undefined
  return { path: ['gradient_accumulation_steps'], what: `auto needs ${missing.join(', and ')}` }
}

function validation(input: FinetuneFields): ConfigFailure | undefined {
  const { val_set_size, test_datasets, eval_steps, eval_strategy } = input
  if (val_set_size > 0 && test_datasets.length > 0) {
    return { path: ['val_set_size'], what: 'give either val_set_size or test_datasets, not both' }
  }
  if (hasValidation(input)) return undefined
  const remedy = 'set val_set_size, for example to 0.05, or give test_datasets'
  if (eval_steps) return { path: ['eval_steps'], what: 'there is nothing to evaluate on', remedy }
  if (eval_strategy !== null && eval_strategy !== 'no') {
    return { path: ['eval_strategy'], what: 'there is nothing to evaluate on', remedy }
  }
  return undefined
}

/** The best weights are those of a checkpoint, which an evaluation that is the best so far is always followed by. */
function bestModel(input: FinetuneFields): ConfigFailure | undefined {
  const { load_best_model_at_end, early_stopping_patience } = input
  const asked = load_best_model_at_end ? 'load_best_model_at_end' : 'early_stopping_patience'
  if (!load_best_model_at_end && early_stopping_patience === null) return undefined
  if (!evaluates(input)) {
    const remedy = 'set val_set_size (or test_datasets), and eval_steps or evals_per_epoch if they are 0'
    return { path: [asked], what: 'needs evaluation', remedy }
  }
  if (!load_best_model_at_end) return undefined
  const { save_steps, saves_per_epoch, save_strategy } = input
  if (save_strategy === 'no' || saves_per_epoch === 0 || save_steps === 0) {
    return { path: [asked], what: 'needs checkpoints, but saving is off' }
  }
  return undefined
}

/** As `adapterName`. */
function deviceName({ device, plugins }: FinetuneFields): ConfigFailure | undefined {
  if (isDeviceName(device) || plugins.length > 0) return undefined
  const [near] = nearestNames(device, DEVICES, 1)
  // A name of another kind may be of a plugin that is given as a value.
  const isOwn = /^(?!(auto|cpu|wasm|cuda|gpu)\b)[a-z][\w.-]*$/i.test(device)
  if (isOwn && (near === undefined || device.includes(near))) return undefined
  const meant = near === undefined ? '' : ` (did you mean "${near}"?)`
  return { path: ['device'], what: `expected one of ${DEVICES.join(', ')}${meant}, got "${device}"` }
}

/** Names of plugins are looked up when the plugins are there; without any in the file, a slip of the pen is told now. */
function adapterName({ adapter, plugins }: FinetuneFields): ConfigFailure | undefined {
  if (adapter === null || BUILT_IN.includes(adapter) || plugins.length > 0) return undefined
  const path = ['adapter']
  const remedy = 'an adapter of your own comes from a module under plugins:'
  if (LATER_ADAPTERS.includes(adapter)) {
    return { path, what: `"${adapter}" is not supported yet; use one of ${BUILT_IN.join(', ')}`, remedy }
  }
  const [near] = nearestNames(adapter, BUILT_IN, 1)
  if (near === undefined || adapter.includes(near)) return undefined
  return {
    path,
    what: `expected one of ${BUILT_IN.join(', ')} (did you mean "${near}"?), got "${adapter}"`,
    remedy,
  }
}

/** Other optimizers check their options themselves, when the plugins are there. */
function optimizerOptions({ optimizer, optim_args }: FinetuneFields): ConfigFailure | undefined {
  const name = Object.hasOwn(OPTIMIZERS, optimizer) ? OPTIMIZERS[optimizer] : optimizer
  if (!(name === 'adamw' || name === 'adamw_8bit') || Object.keys(optim_args).length === 0) return undefined
  return {
    path: ['optim_args'],
    what: `is not for ${optimizer}`,
    remedy: 'the options of AdamW are the adam_* keys and weight_decay',
  }
}

/** Tokens of a step are known where all examples are. */
function halfLife(input: FinetuneFields): ConfigFailure | undefined {
  const { adam_beta2_half_life, adam_beta2, optimizer, optim_args, rl, streaming, diloco } = input
  if (adam_beta2_half_life === null) return undefined
  const path = ['adam_beta2_half_life']
  if (adam_beta2 !== DEFAULT_BETA2 || 'beta2' in optim_args)
    return { path, what: 'give either adam_beta2_half_life or adam_beta2, not both' }
  if (!hasSecondMoment(optimizer))
    return { path, what: `is for optimizers that read adam_beta2 and adam_epsilon, not for ${optimizer}` }
  const why = [
    ...(rl === 'grpo' ? ['rl: grpo makes its texts while it trains'] : []),
    ...(streaming ? ['of streamed data nobody knows how many tokens a step has'] : []),
    ...(diloco === null ? [] : ['with diloco every process makes steps of its own']),
  ]
  return why.length === 0 ? undefined : { path, what: `cannot be kept: ${why[0]}`, remedy: 'set adam_beta2' }
}

function smoothing({ label_smoothing_factor: factor, objective }: FinetuneFields): ConfigFailure | undefined {
  if (factor === 0) return undefined
  if (objective.name !== 'cross_entropy')
    return {
      path: ['label_smoothing_factor'],
      what: `is for objective: cross_entropy, not for ${objective.name}`,
    }
  return Object.hasOwn(objective.options, 'label_smoothing')
    ? { path: ['label_smoothing_factor'], what: 'stands under objective: too, as label_smoothing' }
    : undefined
}

/** Each schedule has its own. */
function schedulerOptions(input: FinetuneFields): readonly ConfigFailure[] {
  const { lr_scheduler, lr_scheduler_kwargs: kwargs } = input
  const name = lr_scheduler === 'wsd' ? 'warmup_stable_decay' : lr_scheduler
  const own: readonly string[] = kwargsOf(name)
  const failures: ConfigFailure[] = Object.keys(kwargs)
    .filter((key) => !own.includes(key))
    .map((key) => {
      const owners = SCHEDULERS.filter((other) => kwargsOf(other).some((kwarg) => kwarg === key))
      return {
        path: ['lr_scheduler_kwargs', key],
        what: `is for ${owners.join(', ')}, not for ${lr_scheduler}`,
      }
    })
  if (kwargs.cycle_momentum === true && lr_scheduler === 'one_cycle')
    failures.push({
      path: ['lr_scheduler_kwargs', 'cycle_momentum'],
      what: 'not supported yet (betas that change with the step)',
      remedy: 'set cycle_momentum: false',
    })
  if (kwargs.min_lr !== undefined && kwargs.min_lr_rate !== undefined)
    failures.push({ path: ['lr_scheduler_kwargs'], what: 'give either min_lr or min_lr_rate, not both' })
  if (own.includes('min_lr_rate') && kwargs.min_lr === undefined && kwargs.min_lr_rate === undefined)
    failures.push({
      path: ['lr_scheduler'],
      what: `${name} needs its lowest learning rate`,
      remedy: 'set lr_scheduler_kwargs: { min_lr_rate: 0.1 }, or min_lr',
    })
  if (name === 'reduce_lr_on_plateau' && !evaluates(input))
    failures.push({
      path: ['lr_scheduler'],
      what: 'reduce_lr_on_plateau needs evaluation',
      remedy: 'set val_set_size (or test_datasets), and eval_steps or evals_per_epoch if they are 0',
    })
  return failures
}

/** Their options are keys of the file. */
const BY_KEYS: readonly string[] = ['lora', 'dora', 'qlora', 'none']

const BUILT_IN: readonly string[] = ADAPTERS

/** Each adapter has its options in one place only, so that none is left aside in silence. */
function adapterOptions(input: FinetuneFields): readonly ConfigFailure[] {
  const { adapter, adapter_options } = input
  if (adapterName(input)) return []
  if (adapter === null || BY_KEYS.includes(adapter)) {
    if (Object.keys(adapter_options).length === 0) return []
    const what = `is for other adapters, not for ${adapter ?? 'none'}`
    return [{ path: ['adapter_options'], what, remedy: 'the options of lora are the lora_* and peft_* keys' }]
  }
  return LORA_ONLY.filter(([key, fallback]) => JSON.stringify(input[key]) !== fallback).map(([key]) => ({
    path: [key],
    what: `is for adapter: lora, not for ${adapter}`,
    remedy: `options of ${adapter} go under adapter_options:`,
  }))
}

/** Keys with their defaults; those that others may have too are asked of the adapter (`adapter-options.ts`), and which layers get the adapter (`lora_target_*` and the like) is asked of every adapter. */
const LORA_ONLY: readonly (readonly [keyof FinetuneFields, string])[] = [
  ['lora_target_parameters', '[]'],
  ['peft_use_rslora', 'false'],
  ['peft_init_lora_weights', 'true'],
  ['peft_use_dora', 'false'],
  ['peft', 'null'],
  ['loraplus_lr_ratio', 'null'],
  ['loraplus_lr_embedding', '0.000001'],
]

function lora({
  adapter,
  lora_model_dir,
  peft,
  peft_init_lora_weights: init,
}: FinetuneFields): ConfigFailure | undefined {
  if (lora_model_dir !== null && (adapter === null || adapter === 'none')) {
    return { path: ['lora_model_dir'], what: 'needs an adapter, such as adapter: lora' }
  }
  if (typeof peft?.loftq_config.loftq_bits === 'number' && typeof init === 'string' && init !== 'loftq')
    return { path: ['peft'], what: `asks for loftq, and peft_init_lora_weights for ${init}` }
  return undefined
}

/** An adapter that is gone on with has what is trained beside it; without one all weights are trained anyway. */
function beside(input: FinetuneFields): readonly ConfigFailure[] {
  if (input.lora_model_dir === null) return []
  const asked = [
    ['lora_modules_to_save', input.lora_modules_to_save.length > 0],
    ['peft_trainable_token_indices', input.peft_trainable_token_indices !== null],
    ['peft_ensure_weight_tying', input.peft_ensure_weight_tying],
  ] as const
  const what = 'is for a fresh adapter: the one of lora_model_dir says what is trained beside it'
  return asked.flatMap(([key, isAsked]) => (isAsked ? [{ path: [key], what }] : []))
}

/** Keys of a mapping in a file are texts. */
function reserved({ added_tokens_overrides }: FinetuneFields): readonly ConfigFailure[] {
  return Object.keys(added_tokens_overrides).flatMap((id) =>
    /^\d+$/.test(id)
      ? []
      : [{ path: ['added_tokens_overrides', id], what: 'expected the id of a token, a whole number' }],
  )
}

/** What needs all examples, or their number, is not there while they are read. */
function streamed(input: FinetuneFields): readonly ConfigFailure[] {
  if (!input.streaming) return []
  const failures: ConfigFailure[] = []
  const refuse = (key: keyof FinetuneFields, isAsked: boolean, what: string, remedy?: string): void => {
    if (isAsked) failures.push({ path: [key], what, remedy })
  }
  refuse(
    'streaming',
    input.max_steps === null,
    'needs max_steps: how many examples there are is not known',
    'set max_steps',
  )
  refuse('val_set_size', input.val_set_size > 0, 'is for examples that are all there', 'give test_datasets')
  refuse(
    'sampler',
    input.sampler !== null,
    'orders examples that are all there, which streaming: true does not have',
  )
  refuse(
    'dataset_exact_deduplication',
    input.dataset_exact_deduplication,
    'compares examples that are all there',
  )
  refuse(
    'dataset_near_deduplication',
    input.dataset_near_deduplication !== null,
    'compares examples that are all there',
  )
  for (const [i, { split }] of input.datasets.entries())
    if (split?.endsWith(']'))
      failures.push({
        path: ['datasets', i, 'split'],
        what: 'a part of a split is not streamed: how many records there are is not known',
      })
  return failures
}

function template({ chat_template, chat_template_jinja }: FinetuneFields): ConfigFailure | undefined {
  if (chat_template === 'jinja' && chat_template_jinja === null) {
    return { path: ['chat_template'], what: 'jinja needs chat_template_jinja' }
  }
  if (chat_template_jinja !== null && chat_template !== null && chat_template !== 'jinja') {
    return {
      path: ['chat_template_jinja'],
      what: `chat_template is ${chat_template}; write jinja or leave it out`,
    }
  }
  return undefined
}
