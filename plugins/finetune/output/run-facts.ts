/**
 * What a model card tells of a run: settings, data and losses. A finished run keeps it in `finished.json`, for a later
 * `tritune push`.
 */
import { givenOptions } from '../model/adapter-options.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errorCode, fileError } from '../../../core/files/files.ts'
import type { RunResult } from '../../../core/mod.ts'
import { evaluationResults, readEvaluation } from '../../evaluate/mod.ts'
import type { TrainingFacts } from '../../hub/mod.ts'
import { FINISHED_FILE } from '../checkpoints/earlier-run.ts'
import type { Run } from '../run.ts'

/** What a model card tells of a run that has ended: base model, data sets, settings and losses. */
export function factsOfRun(
  { config, parameters }: Pick<Run, 'config' | 'parameters'>,
  { loss, best, steps }: Pick<RunResult, 'loss' | 'best' | 'steps'>,
): TrainingFacts {
  const { adapter, lora_r: r, lora_alpha: alpha } = config
  const trained = [...parameters.values()].reduce((sum, { size }) => sum + size, 0)
  return {
    baseModel: placeOf(config.base_model),
    datasets: [...new Set(config.datasets.map(({ path }) => placeOf(path)))],
    settings: {
      adapter: adapter ?? 'none: all weights',
      ...(adapter === 'lora'
        ? { lora_r: r, lora_alpha: alpha, lora_dropout: config.lora_dropout }
        : givenOptions(config)),
      ...(config.quantizer ? { quantizer: config.quantizer.name } : {}),
      'trained parameters': trained,
      learning_rate: config.learning_rate,
      lr_scheduler: config.lr_scheduler,
      optimizer: config.optimizer,
      micro_batch_size: config.micro_batch_size,
      gradient_accumulation_steps: config.gradient_accumulation_steps,
      sequence_len: config.sequence_len,
      sample_packing: config.sample_packing,
      ...(config.max_steps === null ? { num_epochs: config.num_epochs } : { max_steps: config.max_steps }),
      seed: config.seed,
    },
    results: {
      steps,
      'training loss, last step': rounded(loss),
      ...(best ? { 'evaluation loss, best': `${rounded(best.loss)} (step ${best.step})` } : {}),
    },
    trituneVersion: packageVersion(),
  }
}

/** What a run left in its folder, and what it was measured as; undefined when it left nothing. Values that are not those of a card are dropped. */
export function readRunFacts(folder: string): TrainingFacts | undefined {
  const facts = objectOf(objectOf(jsonOf(join(folder, FINISHED_FILE)))['facts'])
  const { baseModel, datasets, trituneVersion } = facts
  if (typeof baseModel !== 'string') return undefined
  const evaluation = readEvaluation(folder)
  return {
    baseModel,
    datasets: Array.isArray(datasets) ? datasets.filter((name) => typeof name === 'string') : [],
    settings: simple(facts['settings']),
    results: { ...simple(facts['results']), ...(evaluation ? evaluationResults(evaluation) : {}) },
    ...(typeof trituneVersion === 'string' ? { trituneVersion } : {}),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What is on this machine with its whole path, so that it is taken for no name of the hub from anywhere. A card tells the last part alone. */
function placeOf(name: string): string {
  return existsSync(name) ? resolve(name) : name
}

function rounded(loss: number): string {
  return loss.toFixed(4)
}

function simple(value: unknown): Record<string, string | number> {
  const kept: Record<string, string | number> = {}
  for (const [name, entry] of Object.entries(objectOf(value)))
    if (typeof entry !== 'object') kept[name] = typeof entry === 'number' ? entry : String(entry)
  return kept
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw fileError(error, path, 'cannot read')
  }
}

function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  return version
}
