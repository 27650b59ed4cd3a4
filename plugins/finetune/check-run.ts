/**
 * A run checked without its weights: the file, plugins and parts, device and folders, the base model's architecture and
 * tokenizer, every record of the datasets, and whether model and adapter can be built of their shapes. Memory is left to `estimate`.
 */
import type { Host, Model, Plugin } from '../../core/mod.ts'
import type { DatasetReport } from '../data/mod.ts'
import type { FinetuneConfig } from './config/config.ts'
import { findEarlierRun } from './checkpoints/earlier-run.ts'
import { checkEarly } from './early-checks.ts'
import { checkTokenIds, hollowBase } from './model/load-base.ts'
import { newRows } from './model/new-rows.ts'
import { chooseAdapter } from './model/open-adapter.ts'
import { checkTeacherShapes } from './model/teacher.ts'
import { openInputs, type PrepareOptions, type RunInputs } from './run-inputs.ts'

/** What `checkRun()` found of a run that can start. */
export interface CheckedRun {
  readonly device: string
  /** null: the model and the data were not looked at. */
  readonly data: DatasetReport | null
  readonly totalSteps: number | null
  /** What is worth saying; nothing of it keeps the run from starting. */
  readonly notes: readonly string[]
}

/** Options of `checkRun()`: those of `prepareRun()`, and whether model and data are looked at. */
export interface CheckRunOptions extends PrepareOptions {
  /** Neither opens the model nor reads the data: needs no network. */
  readonly configOnly?: boolean
}

/**
 * Throws a `ConfigError`, or what else keeps the run from starting.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { checkRun, readFinetuneConfig } from 'tritune/plugins/finetune'
 *
 * const config = readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml')
 * const { totalSteps, notes } = await checkRun(config) // as `tritune validate my.yaml`
 * console.log(totalSteps, notes)
 * ```
 */
export async function checkRun(
  config: FinetuneConfig,
  { configOnly = false, ...options }: CheckRunOptions = {},
): Promise<CheckedRun> {
  if (configOnly) {
    const { plugins = [], device } = options
    const { host, opened } = await checkEarly(config, { plugins, device })
    using _host = host
    const notes = [...(opened.note ? [opened.note] : []), ...config.notes, ...earlierNotes(config)]
    return { device: opened.device.description, data: null, totalSteps: null, notes }
  }
  const inputs = await openInputs(config, options)
  const { host, early, base, data, plan, sampler, teacher } = inputs
  const { config: settled } = inputs
  using _host = host
  using _data = data
  try {
    if (!looksAtWeights([...(options.plugins ?? []), ...early.plugins.map(({ plugin }) => plugin)]))
      checkShapes(config, inputs, (await teacher?.small()) ?? null)
  } finally {
    base[Symbol.dispose]?.()
    teacher?.[Symbol.dispose]?.()
    sampler?.[Symbol.dispose]?.()
  }
  const { device, note } = early.opened
  return {
    device: device.description,
    data: data.report,
    totalSteps: plan.totalSteps,
    notes: [
      ...(note ? [note] : []),
      ...settled.notes,
      ...plan.notes,
      ...data.report.notes,
      ...earlierNotes(config),
    ],
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Models, quantizers and adapters of plugins may want the numbers of the weights, which are not there. */
function looksAtWeights(plugins: readonly Plugin[]): boolean {
  return plugins.some(({ provides = {} }) =>
    (['model', 'quantizer', 'adapter'] as const).some((kind) => Object.keys(provides[kind] ?? {}).length > 0),
  )
}

/** What the sizes of the model forbid: experts that do not fit, scores of a family that has none, ids and layers that it has not. */
function checkShapes(
  config: FinetuneConfig,
  { host, early: { parts }, ...inputs }: RunInputs,
  teacherPath: string | null,
): void {
  const { modelPath, tokenizer, data } = inputs
  using model = hollowBase(config, { modelPath, tokenizer, host, parts })
  if (model === null) return
  checkTokenIds([...data.train, ...data.validation], model)
  checkAdapter(config, model, host, inputs)
  if (teacherPath !== null) checkTeacherShapes(config, model, { path: teacherPath, host })
}

function checkAdapter(
  config: FinetuneConfig,
  model: Model,
  host: Host,
  { modelPath, tokenizer, plan: { totalSteps } }: Pick<RunInputs, 'modelPath' | 'tokenizer' | 'plan'>,
): void {
  // Factors that start from the weights, which are not there, have the same shapes as others.
  const shaped = { ...config, peft_init_lora_weights: true, peft: null } as const
  const rows = newRows(model, modelPath, tokenizer)
  using _adapter = chooseAdapter(shaped, host)(model, { tokenizer, rows, totalSteps })
}

function earlierNotes({
  output_dir,
  resume_from_checkpoint,
  auto_resume_from_checkpoints,
}: FinetuneConfig): string[] {
  if (resume_from_checkpoint !== null || auto_resume_from_checkpoints) return []
  const { finished, newest } = findEarlierRun(output_dir)
  if (finished) return [`output_dir ${output_dir} has a finished run: --overwrite trains it again`]
  return newest === null ? [] : [`output_dir ${output_dir} has an unfinished run: --resume or --overwrite`]
}
