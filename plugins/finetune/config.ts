/**
 * The configuration of a fine-tuning run: an axolotl YAML file runs as it is.
 *
 * `finetuneConfig.validate()` checks the keys (`axolotl-keys.ts`), the fields (`finetune-schema.ts`) and what goes
 * together (`finetune-rules.ts`), and fills in the defaults. Whether the model, the data and the folders exist is
 * checked by whoever opens them.
 */
import * as v from 'valibot'
import { ConfigError, defineConfig } from '../../core/contracts/config.ts'
import type { ConfigFailure, ValidatableConfig } from '../../core/contracts/config.ts'
import type { Field } from '../../core/contracts/config-fields.ts'
import { applyOverrides, parseYaml, placeFailures, validateYaml } from '../../core/files/yaml.ts'
import { datasetOptions } from '../data/mod.ts'
import { finetuneRules, hasValidation } from './finetune-rules.ts'
import type { FinetuneInput, FinetuneOptions } from './finetune-options.ts'
import { finetuneSchema } from './finetune-schema.ts'
import { sortKeys } from './known-keys.ts'
import { OPTIMIZERS } from './optimizer-names.ts'

export interface FinetuneConfig extends FinetuneOptions {
  /** What the file asked for and was left aside because it changes nothing. */
  readonly notes: readonly string[]
}

/** Throws a `ConfigError` (E_CONFIG, E_CONFIG_KEY) that lists everything that is wrong. */
export const finetuneConfig: ValidatableConfig<FinetuneConfig> = {
  schema: v.pipe(
    finetuneSchema,
    v.transform((input) => complete(input, [])),
  ),
  validate(input: unknown): FinetuneConfig {
    const { kept, notes, failures } = sortKeys(input, keysOf(finetuneSchema), keysOf(datasetOptions))
    return complete(validateFields(kept, failures), notes)
  },
}

export interface ReadFinetuneOptions {
  /** `--set` assignments, applied in order. */
  readonly overrides?: readonly string[]
}

/** The text of a YAML file → a checked configuration; errors carry `file:line:column`. */
export function readFinetuneConfig(
  text: string,
  file: string,
  { overrides = [] }: ReadFinetuneOptions = {},
): FinetuneConfig {
  return validateYaml(finetuneConfig, applyOverrides(parseYaml(text, file), overrides))
}

/** What shows only when a run is prepared (no such device, options of a plugin's adapter), with its line in the file. */
export function placeInConfig(
  error: unknown,
  text: string,
  file: string,
  { overrides = [] }: ReadFinetuneOptions = {},
): unknown {
  return error instanceof ConfigError
    ? placeFailures(error, applyOverrides(parseYaml(text, file), overrides))
    : error
}

/** Optimizer steps of warm-up in a run of `totalSteps`; without a setting 3 %, at most 100, as in axolotl. */
export function warmupSteps(
  { warmup_steps, warmup_ratio }: Pick<FinetuneOptions, 'warmup_steps' | 'warmup_ratio'>,
  totalSteps: number,
): number {
  if (warmup_steps !== null) return warmup_steps
  if (warmup_ratio !== null) return Math.floor(warmup_ratio * totalSteps)
  return Math.min(Math.floor(0.03 * totalSteps), 100)
}

const fields: ValidatableConfig<FinetuneInput> = defineConfig(finetuneSchema, finetuneRules)

function validateFields(kept: unknown, failures: readonly ConfigFailure[]): FinetuneInput {
  let input: FinetuneInput
  try {
    input = fields.validate(kept)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError([...failures, ...error.failures])
  }
  if (failures.length > 0) throw new ConfigError(failures)
  return input
}

function complete(input: FinetuneInput, keyNotes: readonly string[]): FinetuneConfig {
  const { lora_modules_to_save: _, batch_size, eval_strategy, save_strategy, ...rest } = input
  const notes = [...keyNotes]
  const evaluates = hasValidation(input) && eval_strategy !== 'no'
  if (!hasValidation(input) && input.evals_per_epoch) {
    notes.push('evals_per_epoch is ignored: there is no val_set_size and there are no test_datasets')
  }
  if (input.cosine_min_lr_ratio !== null && input.lr_scheduler !== 'cosine') {
    notes.push(`cosine_min_lr_ratio is ignored: lr_scheduler is ${input.lr_scheduler}`)
  }
  if (input.optimizer.startsWith('paged_')) {
    notes.push(`optimizer: ${input.optimizer} is not paged here: its state stays on the device`)
  }
  return {
    ...rest,
    adapter: input.adapter === 'none' ? null : input.adapter,
    gradient_accumulation_steps:
      input.gradient_accumulation_steps ?? (batch_size === null ? 1 : batch_size / input.micro_batch_size),
    eval_batch_size: input.eval_batch_size ?? input.micro_batch_size,
    eval_sample_packing: input.eval_sample_packing ?? input.sample_packing,
    optimizer: OPTIMIZERS[input.optimizer] ?? input.optimizer,
    lr_scheduler: input.lr_scheduler === 'wsd' ? 'warmup_stable_decay' : input.lr_scheduler,
    cosine_min_lr_ratio: input.lr_scheduler === 'cosine' ? input.cosine_min_lr_ratio : null,
    // warmup_steps: 0 beside a ratio means "not in steps", as in axolotl.
    warmup_steps: input.warmup_steps === 0 && input.warmup_ratio ? null : input.warmup_steps,
    bf16: input.bf16 === 'full' ? true : input.bf16,
    chat_template: input.chat_template_jinja === null ? input.chat_template : 'jinja',
    ...evaluations(input, evaluates),
    ...saves(input, save_strategy !== 'no'),
    notes,
  }
}

type Evaluations = Pick<FinetuneOptions, 'eval_steps' | 'evals_per_epoch'>
type Saves = Pick<FinetuneOptions, 'save_steps' | 'saves_per_epoch'>

/** Once per epoch when nothing is said; 0 means never. */
function evaluations({ eval_steps, evals_per_epoch }: FinetuneInput, isOn: boolean): Evaluations {
  if (!isOn) return { eval_steps: null, evals_per_epoch: null }
  if (eval_steps === null && evals_per_epoch === null) return { eval_steps: null, evals_per_epoch: 1 }
  return { eval_steps: eval_steps || null, evals_per_epoch: evals_per_epoch || null }
}

function saves({ save_steps, saves_per_epoch }: FinetuneInput, isOn: boolean): Saves {
  if (!isOn) return { save_steps: null, saves_per_epoch: null }
  if (save_steps === null && saves_per_epoch === null) return { save_steps: null, saves_per_epoch: 1 }
  return { save_steps: save_steps || null, saves_per_epoch: saves_per_epoch || null }
}

function keysOf(schema: Field<unknown>): ReadonlySet<string> {
  const entries: unknown = Reflect.get(schema, 'entries')
  return new Set(typeof entries === 'object' && entries !== null ? Object.keys(entries) : [])
}
