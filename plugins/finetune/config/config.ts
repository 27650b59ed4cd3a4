/**
 * The configuration of a fine-tuning run: an axolotl YAML file runs as it is.
 *
 * `finetuneConfig.validate()` checks the keys (`keys/`), the fields (`finetune-schema.ts`) and what goes
 * together (`finetune-rules.ts`), and fills in the defaults. Whether the model, the data and the folders exist is
 * checked by whoever opens them.
 */
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import { ConfigError, defineConfig, formatPath, MISSING } from '../../../core/contracts/config.ts'
import type { ConfigFailure, ValidatableConfig } from '../../../core/contracts/config.ts'
import type { Field } from '../../../core/contracts/config-fields.ts'
import { placeFailures, validateYaml, yamlValue } from '../../../core/files/yaml.ts'
import { datasetOptions } from '../../data/mod.ts'
import type { GrpoOptions } from '../../grpo/mod.ts'
import type { LearningRateSearch } from '../../autotune/mod.ts'
import { UNTUNED_RATE } from '../autotune/auto-rate-rules.ts'
import { bf16Of, bnbNotes, quantizerOf } from './bnb-options.ts'
import { evaluates, finetuneRules, hasValidation } from './finetune-rules.ts'
import type { FinetuneFields, FinetuneOptions } from './finetune-options.ts'
import type { ForeignTool } from './foreign-keys.ts'
import { finetuneSchema } from './finetune-schema.ts'
import { runYaml } from './run-yaml.ts'
import { preferenceNotes, preferenceObjective } from './preference-options.ts'
import { type AskedTracker, trackerNotes, trackersOf } from './tracker-keys.ts'
import { sortKeys, type SortedKeys } from './known-keys.ts'
import { grpoNotes, grpoOf } from './grpo-rules.ts'
import { isMapping, renameKeys, underOldName } from './old-spellings.ts'
import { isPaged, optimizerNote, OPTIMIZERS } from './optimizer-names.ts'

/** How `learning_rate: auto` became a number. */
export interface TunedRate extends LearningRateSearch {
  readonly seconds: number
  /** Of the steps of the run, measurements included. */
  readonly share: number
}

/** The configuration of a run: checked, with every default filled in. */
export interface FinetuneConfig extends FinetuneOptions {
  /** What the file asked for and was left aside because it changes nothing. */
  readonly notes: readonly string[]
  /** The name of the optimizer began with `paged_`. */
  readonly pagedOptimizer: boolean
  /** `micro_batch_size: auto`: 1 until the memory is known (`fit-micro-batch.ts`). */
  readonly autoMicroBatch: boolean
  /** `gradient_accumulation_steps: auto`: the micro-batch that is chosen is all of a step. */
  readonly autoBatch: boolean
  /** `learning_rate: auto`: a number that stands for it until it is found (`find-learning-rate.ts`). */
  readonly autoLearningRate: boolean
  /** What was tried for it; null: nothing was searched for. */
  readonly tunedRate: TunedRate | null
  /** The keys that the file sets: a default may also be said. */
  readonly given: readonly string[]
  /** Of `rl: grpo`: what stands under `trl:`, checked; else null. */
  readonly grpo: GrpoOptions | null
  /** The monitors that keys of trackers ask for. */
  readonly trackers: readonly AskedTracker[]
  /** Folder of the file, where the paths of plugins start; null: the working folder. */
  readonly folder: string | null
}

/**
 * Throws a `ConfigError` (E_CONFIG, E_CONFIG_KEY) that lists everything that is wrong.
 *
 * @example
 * ```ts
 * import { ConfigError } from 'tritune/core'
 * import { finetuneConfig } from 'tritune/plugins/finetune'
 *
 * try {
 *   finetuneConfig.validate({ base_model: 'my-model', learning_rte: 1e-4 })
 * } catch (error) {
 *   console.log(error instanceof ConfigError) // → true
 * }
 * ```
 */
export const finetuneConfig: ValidatableConfig<FinetuneConfig> = {
  schema: v.pipe(
    finetuneSchema,
    v.transform((input) => complete(input, [], {})),
  ),
  validate(input: unknown): FinetuneConfig {
    const sorted = sortKeys(input, keysOf(finetuneSchema), keysOf(datasetOptions))
    return complete(validateFields(sorted), sorted.notes, sorted.kept)
  },
}

/** Options of `readFinetuneConfig()`: settings that win over the file. */
export interface ReadFinetuneOptions {
  /** `--set` assignments, applied in order. */
  readonly overrides?: readonly string[]
}

/**
 * The text of a YAML file → a checked configuration; errors carry `file:line:column`.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { readFinetuneConfig } from 'tritune/plugins/finetune'
 *
 * const config = readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml', { overrides: ['seed=7'] })
 * console.log(config.seed) // → 7
 * ```
 */
export function readFinetuneConfig(
  text: string,
  file: string,
  { overrides = [] }: ReadFinetuneOptions = {},
): FinetuneConfig {
  const config = validateYaml(finetuneConfig, runYaml(text, file, overrides))
  return { ...config, folder: folderOf(file) }
}

/**
 * Of a file that is refused: what is right in it, with defaults for the keys that are wrong, so that the checks of the others
 * can be made all the same. null when there is nothing to go by.
 */
export function readablePart(
  error: unknown,
  text: string,
  file: string,
  { overrides = [] }: ReadFinetuneOptions = {},
): { readonly config: FinetuneConfig; readonly wrong: ReadonlySet<string> } | null {
  if (!(error instanceof ConfigError)) return null
  const written = yamlValue(runYaml(text, file, overrides))
  if (!isMapping(written)) return null
  const wrong = new Set(error.failures.map(({ path }) => String(path[0])))
  const kept = Object.fromEntries(Object.entries(written).filter(([key]) => !wrong.has(key)))
  const stand = Object.fromEntries(Object.entries(STAND_INS).filter(([key]) => !Object.hasOwn(kept, key)))
  for (const key of Object.keys(stand)) wrong.add(key)
  try {
    return { config: { ...finetuneConfig.validate({ ...stand, ...kept }), folder: folderOf(file) }, wrong }
  } catch (again) {
    if (again instanceof ConfigError) return null
    throw again
  }
}

function folderOf(file: string): string {
  return dirname(resolve(file))
}

/** For keys that every file needs. */
const STAND_INS = { base_model: 'none', learning_rate: 1, datasets: [{ path: 'none', type: 'completion' }] }

/** What shows only when a run is prepared (no such device, options of a plugin's adapter), with its line in the file. */
export function placeInConfig(
  error: unknown,
  text: string,
  file: string,
  { overrides = [] }: ReadFinetuneOptions = {},
): unknown {
  if (!(error instanceof ConfigError)) return error
  const document = runYaml(text, file, overrides)
  const written = yamlValue(document)
  if (!isMapping(written)) return placeFailures(error, document)
  const { writtenAs } = renameKeys(written, { notes: [], failures: [] })
  return placeFailures(
    new ConfigError(error.failures.map((failure) => underOldName(failure, writtenAs))),
    document,
  )
}

/** Optimizer steps of warm-up in a run of `totalSteps`; without a setting 3 %, at most 100, as in axolotl. */
export function warmupSteps(
  { warmup_steps, warmup_ratio }: Pick<FinetuneOptions, 'warmup_steps' | 'warmup_ratio'>,
  totalSteps: number,
): number {
  if (warmup_steps !== null)
    return warmup_steps > 0 && warmup_steps < 1 ? Math.floor(warmup_steps * totalSteps) : warmup_steps
  if (warmup_ratio !== null) return Math.floor(warmup_ratio * totalSteps)
  return Math.min(Math.floor(0.03 * totalSteps), 100)
}

const fields: ValidatableConfig<FinetuneFields> = defineConfig(finetuneSchema, finetuneRules)

/** Fields, rules and keys are judged together; what only follows from another fault is left out. */
function validateFields({ kept, failures, asWritten, answered, covered, tool }: SortedKeys): FinetuneFields {
  let input: FinetuneFields | undefined
  const all: ConfigFailure[] = [...failures]
  try {
    input = fields.validate(kept)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    all.push(...error.failures.map(asWritten))
  }
  const own = all
    .map((failure) => withDefaultOf(tool, failure))
    .filter(({ path, what }) => {
      if (covered.has(String(path[0]))) return false
      return what !== MISSING || !answered.has(formatPath(path))
    })
  if (own.length > 0 || input === undefined) throw new ConfigError(own.length > 0 ? own : all)
  return input
}

/** A key that another tool does not ask for, as it has a default: named, not taken, as it was chosen for that tool. */
function withDefaultOf(tool: ForeignTool | undefined, failure: ConfigFailure): ConfigFailure {
  const { path, what, remedy } = failure
  const value = path.length === 1 ? tool?.defaults?.[path[0]] : undefined
  if (tool === undefined || value === undefined || what !== MISSING) return failure
  const theirs = `${tool.name} takes ${path[0]}: ${value} where its file does not say`
  return { ...failure, remedy: remedy === undefined ? theirs : `${theirs}; ${remedy}` }
}

function complete(input: FinetuneFields, keyNotes: readonly string[], kept: unknown): FinetuneConfig {
  const { load_in_4bit: _four, load_in_8bit: _eight, batch_size, ...rest } = input
  const microBatch = input.micro_batch_size === 'auto' ? 1 : input.micro_batch_size
  const accumulation = input.gradient_accumulation_steps === 'auto' ? null : input.gradient_accumulation_steps
  const bestAsked = input.load_best_model_at_end ?? input.early_stopping_patience !== null
  return {
    ...rest,
    adapter: input.adapter === 'none' ? null : input.adapter === 'qlora' ? 'lora' : input.adapter,
    quantizer: quantizerOf(input),
    grpo: grpoOf(input),
    objective: preferenceObjective(input) ?? input.objective,
    gradient_accumulation_steps: accumulation ?? (batch_size === null ? 1 : batch_size / microBatch),
    eval_batch_size: input.eval_batch_size ?? microBatch,
    micro_batch_size: microBatch,
    autoMicroBatch: input.micro_batch_size === 'auto',
    autoBatch: input.gradient_accumulation_steps === 'auto',
    learning_rate: input.learning_rate === 'auto' ? UNTUNED_RATE : input.learning_rate,
    autoLearningRate: input.learning_rate === 'auto',
    tunedRate: null,
    eval_sample_packing: input.eval_sample_packing ?? input.sample_packing,
    group_by_length: input.group_by_length && !input.sample_packing,
    optimizer: OPTIMIZERS[input.optimizer] ?? input.optimizer,
    lr_scheduler: input.lr_scheduler === 'wsd' ? 'warmup_stable_decay' : input.lr_scheduler,
    cosine_min_lr_ratio: takesMinRatio(input) ? input.cosine_min_lr_ratio : null,
    bf16: bf16Of(input.bf16 === 'full' ? true : input.bf16, input),
    gradient_checkpointing: input.gradient_checkpointing !== false,
    activation_offloading: offloadingOf(input),
    chat_template: input.chat_template_jinja === null ? input.chat_template : 'jinja',
    load_best_model_at_end: bestAsked,
    ...evaluations(input),
    ...saves(input),
    metric_for_best_model: input.metric_for_best_model.replace(/^eval_/, ''),
    trackers: trackersOf(input),
    pagedOptimizer: isPaged(input.optimizer),
    notes: [...keyNotes, ...notesOf(input)],
    given: isMapping(kept) ? Object.keys(kept).filter((key) => kept[key] != null) : [],
    folder: null,
  }
}

/** As in axolotl. */
function takesMinRatio({ lr_scheduler }: FinetuneFields): boolean {
  return lr_scheduler === 'cosine' || lr_scheduler === 'rex'
}

/** What the file asks for and what is done otherwise, or not at all. */
function notesOf(input: FinetuneFields): string[] {
  const notes: string[] = [
    ...bnbNotes(input),
    ...preferenceNotes(input),
    ...grpoNotes(input),
    ...trackerNotes(input),
  ]
  if (!hasValidation(input) && input.evals_per_epoch) {
    notes.push('evals_per_epoch is ignored: there is no val_set_size and there are no test_datasets')
  }
  if (input.cosine_min_lr_ratio !== null && !takesMinRatio(input)) {
    notes.push(`cosine_min_lr_ratio is ignored: lr_scheduler is ${input.lr_scheduler}`)
  }
  if (input.lr_scheduler === 'one_cycle' && input.lr_scheduler_kwargs.cycle_momentum !== false) {
    notes.push('lr_scheduler: one_cycle changes the learning rate alone: adam_beta1 stays as it is')
  }
  if (input.optimizer === 'schedule_free_adamw' && input.lr_scheduler !== 'constant') {
    notes.push(
      `optimizer: schedule_free_adamw takes the place of a schedule: beside it, lr_scheduler: constant is what it is made for, and ${input.lr_scheduler} is followed too`,
    )
  }
  const optimizer = optimizerNote(input.optimizer)
  if (optimizer !== null) notes.push(optimizer)
  if (input.unfrozen_parameters.length > 0 && input.adapter !== null && input.adapter !== 'none') {
    notes.push('unfrozen_parameters is ignored: beside an adapter the base stays as it is')
  }
  if (input.group_by_length && input.sample_packing) {
    notes.push('group_by_length is ignored: packed rows are all of one length')
  }
  if (input.gradient_checkpointing === 'unsloth' && input.activation_offloading === null) {
    notes.push(
      'gradient_checkpointing: unsloth is read as true: activations stay on the device (activation_offloading)',
    )
  }
  if (input.early_stopping_patience !== null && input.load_best_model_at_end === null) {
    notes.push('early_stopping_patience: the best weights are kept, as with load_best_model_at_end: true')
  }
  return notes
}

/** As in axolotl: what `gradient_checkpointing` says is the older way to ask. */
function offloadingOf(input: FinetuneFields): boolean | 'disk' {
  const { gradient_checkpointing: checkpointing, activation_offloading: asked } = input
  if (asked !== null) return asked === 'disk' ? 'disk' : asked !== false
  return checkpointing === 'offload_disk' ? 'disk' : checkpointing === 'offload'
}

type Evaluations = Pick<FinetuneOptions, 'eval_strategy' | 'eval_steps' | 'evals_per_epoch'>
type Saves = Pick<FinetuneOptions, 'save_strategy' | 'save_steps' | 'saves_per_epoch'>

/** At the end of each epoch when nothing is said; 0 means never. */
function evaluations(input: FinetuneFields): Evaluations {
  const [eval_strategy, eval_steps, evals_per_epoch] = evaluates(input)
    ? intervals(input.eval_steps, input.evals_per_epoch, input.eval_strategy === 'epoch')
    : NEVER
  return { eval_strategy, eval_steps, evals_per_epoch }
}

function saves(input: FinetuneFields): Saves {
  const [save_strategy, save_steps, saves_per_epoch] =
    input.save_strategy === 'no'
      ? NEVER
      : intervals(input.save_steps, input.saves_per_epoch, input.save_strategy === 'epoch')
  return { save_strategy, save_steps, saves_per_epoch }
}

type Intervals = readonly ['no' | 'steps' | 'epoch', number | null, number | null]

const NEVER: Intervals = ['no', null, null]

function intervals(steps: number | null, perEpoch: number | null, byEpoch: boolean): Intervals {
  if (byEpoch || (steps === null && perEpoch === null)) return ['epoch', null, null]
  return steps || perEpoch ? ['steps', steps || null, perEpoch || null] : NEVER
}

function keysOf(schema: Field<unknown>): ReadonlySet<string> {
  const entries: unknown = Reflect.get(schema, 'entries')
  return new Set(typeof entries === 'object' && entries !== null ? Object.keys(entries) : [])
}
