/**
 * mlx-lm's lora_config.yaml (https://github.com/ml-explore/mlx-lm, `mlx_lm.lora --config`) as the file of a run, with its defaults, its meaning of a step (a
 * micro-batch) and its folder of train.jsonl, valid.jsonl and test.jsonl.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  as,
  type Converted,
  follow,
  isUnset,
  none,
  type Outcome,
  type Rule,
  refusedUnlessEmpty,
} from './account.ts'
import { typeOfFile } from './record-type.ts'

type File = Readonly<Record<string, unknown>>

export interface MlxOptions {
  /** How many blocks the model has; null: it is not known. */
  readonly layers: number | null
}

const TRACKER = none('nothing is reported to a service; metrics.jsonl has the numbers')
const BETAS = ['adam_beta1', 'adam_beta2'] as const

export function fromMlxLm(file: File, { layers }: MlxOptions): Converted {
  const rules: Readonly<Record<string, Rule>> = {
    model: as('base_model'),
    train: none('training is what a run does'),
    test: refusedUnlessEmpty(
      'there is no evaluation on a test set after training: a run evaluates on valid.jsonl',
    ),
    test_batches: none('it only matters to test: true'),
    fine_tune_type: (value) =>
      value === 'lora' || value === 'dora'
        ? { set: { adapter: value } }
        : value === 'full'
          ? { set: { adapter: 'none' } }
          : { refused: 'expected lora, dora or full' },
    optimizer: optimizerOf,
    optimizer_config: optimizerOptions,
    data: dataOf,
    hf_dataset: hubData,
    seed: as('seed'),
    num_layers: (value, all) => lastLayers(value, all, layers),
    batch_size: as('micro_batch_size'),
    grad_accumulation_steps: as('gradient_accumulation_steps'),
    iters: (value, all) => steps('max_steps', value, all),
    steps_per_eval: (value, all) =>
      hasValidation(all)
        ? steps('eval_steps', value, all)
        : { none: 'there is no valid.jsonl to evaluate on' },
    save_every: (value, all) => steps('save_steps', value, all),
    steps_per_report: (value, all) => steps('logging_steps', value, all),
    val_batches: (value) =>
      value === -1
        ? { none: 'all of valid.jsonl, as here' }
        : { none: 'read with data: the first of valid.jsonl' },
    learning_rate: as('learning_rate'),
    lr_schedule: schedule,
    max_seq_length: (value) => ({ set: { sequence_len: value, excess_length_strategy: 'truncate' } }),
    grad_checkpoint: as('gradient_checkpointing'),
    lora_parameters: loraOf,
    mask_prompt: (value) => ({ set: { train_on_inputs: value !== true } }),
    adapter_path: as('output_dir'),
    resume_adapter_file: refusedUnlessEmpty(
      'an adapter of mlx is another format: turn it with the command adapter convert, and name its folder as lora_model_dir',
    ),
    report_to: TRACKER,
    project_name: TRACKER,
    wandb: TRACKER,
    trust_remote_code: none('read from the files of the model'),
    clear_cache_threshold: none('the memory pool of the device keeps to a limit by itself'),
    config: none('the file itself'),
  }
  const { keys, ...rest } = follow('mlx-lm', file, rules, DEFAULTS)
  // Without a schedule the rate stays, gradients are not clipped, and nothing warms up.
  const { learning_rate, lr_scheduler = 'constant', warmup_steps = 0, ...others } = keys
  return { ...rest, keys: { ...others, learning_rate, lr_scheduler, warmup_steps, max_grad_norm: 0 } }
}

/** What mlx-lm takes where its file is silent. */
const DEFAULTS: File = {
  fine_tune_type: 'lora',
  optimizer: 'adam',
  seed: 0,
  num_layers: 16,
  batch_size: 4,
  grad_accumulation_steps: 1,
  iters: 1000,
  val_batches: 25,
  learning_rate: 1e-5,
  steps_per_report: 10,
  steps_per_eval: 200,
  adapter_path: 'adapters',
  save_every: 100,
  max_seq_length: 2048,
  lora_parameters: { rank: 8, dropout: 0, scale: 20 },
  mask_prompt: false,
}

// ---- rules ------------------------------------------------------------------------------------------------------

/** MLX's AdamW decays by 0.01 unless it is told otherwise; its Adam and AdamW do not correct the bias of the first steps. */
function optimizerOf(value: unknown): Outcome {
  switch (value) {
    case 'adam':
      return { set: { optimizer: 'adamw_torch', weight_decay: 0 }, note: UNCORRECTED }
    case 'adamw':
      return { set: { optimizer: 'adamw_torch', weight_decay: 0.01 }, note: UNCORRECTED }
    case 'muon':
    case 'sgd':
    case 'adafactor':
      return { set: { optimizer: value } }
    default:
      return { refused: 'expected adam, adamw, muon, sgd or adafactor' }
  }
}

const UNCORRECTED =
  'the first steps are corrected for their bias, which mlx does with bias_correction: true alone'

function optimizerOptions(value: unknown, file: File): Outcome {
  const own = Reflect.get(Object(value), String(file['optimizer']))
  const entries = Object.entries(Object(own))
  if (entries.length === 0) return { none: 'there is nothing for the optimizer of the file' }
  const set: Record<string, unknown> = {}
  for (const [key, option] of entries) {
    if (key === 'betas' && Array.isArray(option)) BETAS.forEach((name, i) => (set[name] = option[i]))
    else if (key === 'eps') set['adam_epsilon'] = option
    else if (key === 'weight_decay') set['weight_decay'] = option
    else if (key === 'bias_correction') continue
    else set['optim_args'] = { ...Object(set['optim_args']), [key]: option }
  }
  return Object.keys(set).length === 0 ? { none: 'bias_correction: the bias is corrected always' } : { set }
}

/** An iteration is a micro-batch there and a step is an update here. */
function steps(key: string, value: unknown, { grad_accumulation_steps: micro = 1 }: File): Outcome {
  const [count, each] = [Number(value), Math.max(1, Number(micro))]
  if (!Number.isFinite(count)) return { refused: 'expected a number' }
  const set = { [key]: Math.max(1, Math.floor(count / each)) }
  return each === 1 ? { set } : { set, note: `${count} micro-batches, of which ${each} are a step` }
}

function lastLayers(value: unknown, file: File, layers: number | null): Outcome {
  if (value === -1) return { none: 'all layers, as without peft_layers_to_transform' }
  if (file['fine_tune_type'] === 'full')
    return { refused: 'full training of some layers is unfrozen_parameters, by the names of weights' }
  if (layers === null)
    return {
      refused: 'how many layers the model has is not known: name its folder, or set num_layers: -1 for all',
    }
  const count = Math.min(layers, Number(value))
  if (count === layers)
    return { none: `all ${layers} layers of the model, as without peft_layers_to_transform` }
  return {
    set: { peft_layers_to_transform: Array.from({ length: count }, (_, i) => layers - count + i) },
    note: `the last ${count} of ${layers}`,
  }
}

function loraOf(value: unknown): Outcome {
  const {
    rank = 8,
    scale = 20,
    dropout = 0,
    keys,
  } = Object(value) as {
    readonly rank?: unknown
    readonly scale?: unknown
    readonly dropout?: unknown
    readonly keys?: unknown
  }
  const where = Array.isArray(keys) ? { lora_target_modules: keys } : { lora_target_linear: true }
  return {
    set: { lora_r: rank, lora_alpha: Number(scale) * Number(rank), lora_dropout: dropout, ...where },
    note: 'lora_alpha is scale × rank',
  }
}

/** A folder without valid.jsonl has nothing to evaluate on; what the hub has is not known. */
function hasValidation({ data, hf_dataset: hub }: File): boolean {
  if (!isUnset(hub)) return Reflect.get(Object(hub), 'valid_split') !== undefined
  const folder = String(data)
  return !existsSync(join(folder, 'train.jsonl')) || existsSync(join(folder, 'valid.jsonl'))
}

function schedule(value: unknown): Outcome {
  if (isUnset(value)) return { none: 'not set' }
  const {
    name,
    warmup = 0,
    warmup_init = 0,
    arguments: given,
  } = Object(value) as {
    readonly name?: unknown
    readonly warmup?: unknown
    readonly warmup_init?: unknown
    readonly arguments?: unknown
  }
  if (name !== 'cosine_decay') return { refused: `there is no ${String(name)}; cosine_decay is there` }
  if (Number(warmup_init) !== 0 && Number(warmup) > 0) {
    // A rate far below the first step's is as good as 0.
    if (Number(warmup_init) > 1e-6) return { refused: 'a warm-up starts at 0 here: leave out warmup_init' }
  }
  const [first, , end = 0]: readonly unknown[] = Array.isArray(given) ? given : []
  return {
    set: {
      lr_scheduler: 'cosine',
      warmup_steps: warmup,
      ...(first === undefined ? {} : { learning_rate: first }),
      ...(Number(end) > 0 ? { cosine_min_lr_ratio: Number(end) / Number(first) } : {}),
    },
    note: 'the cosine ends with the run',
  }
}

const CHAT = { type: 'chat_template', field_messages: 'messages' }

function dataOf(value: unknown, file: File): Outcome {
  const folder = String(value)
  const train = join(folder, 'train.jsonl')
  const most = Number(file['val_batches']) * Number(file['batch_size'])
  if (!existsSync(train))
    return {
      set: {
        datasets: [{ path: folder, split: 'train', ...CHAT }],
        test_datasets: [{ path: folder, split: most > 0 ? `valid[:${most}]` : 'valid', ...CHAT }],
      },
      note: 'a name on the hub: look at its records, and set type',
    }
  const valid = join(folder, 'valid.jsonl')
  const { entry, note } = typeOfFile(train)
  return {
    set: {
      datasets: [{ path: train, ...entry }],
      ...(existsSync(valid)
        ? {
            test_datasets: [{ path: valid, split: most > 0 ? `train[:${most}]` : 'train', ...entry }],
          }
        : {}),
    },
    ...(note === undefined ? {} : { note }),
  }
}

function hubData(value: unknown): Outcome {
  if (isUnset(value)) return { none: 'not set' }
  const fields: Readonly<Record<string, unknown>> = Object(value)
  const {
    path,
    train_split = 'train',
    valid_split,
    prompt_feature,
    completion_feature,
    text_feature,
    chat_feature,
  } = fields
  const entry =
    text_feature !== undefined
      ? { type: 'completion', field: text_feature }
      : prompt_feature !== undefined
        ? {
            type: {
              field_instruction: prompt_feature,
              field_output: completion_feature ?? 'completion',
              format: '{instruction}\n',
              no_input_format: '{instruction}\n',
            },
          }
        : { type: 'chat_template', field_messages: chat_feature ?? 'messages' }
  return {
    set: {
      datasets: [{ path, split: train_split, ...entry }],
      ...(valid_split === undefined ? {} : { test_datasets: [{ path, split: valid_split, ...entry }] }),
    },
    ...(prompt_feature === undefined ? {} : { note: 'prompts stand without the chat template' }),
  }
}
