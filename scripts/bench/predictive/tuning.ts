/**
 * Runs of a way to train: the best rate by rows that are not reported, then all seeds with it. AdamW and what is compared with it have as many tries.
 */
import { openCpu } from '../../../plugins/cpu/mod.ts'
import type { BenchContext } from '../_topic.ts'
import { createTask, type Rows } from '../compression/task.ts'
import type { Method } from './method.ts'
import type { RunCache, RunSettings } from '../runs/run-cache.ts'
import { searchRate } from '../runs/search-rate.ts'
import { versionOf } from '../runs/source-version.ts'
import { type Outcome, type TrainedRun, trainOnce } from './train-once.ts'

/** What all runs of a bench have in common. */
export interface Setting {
  readonly context: Pick<BenchContext, 'threads' | 'progress'>
  readonly base: string
  readonly rows: Rows
  /** Of model and rows, for the settings of runs. */
  readonly versions: { readonly model: string; readonly data: string }
  /** Where the search for a rate begins. */
  readonly firstRate: number
  readonly seeds: readonly number[]
  readonly tries: number
  readonly cache: RunCache<Outcome>
}

/** A way with its best rate; outcomes by seed. */
export interface Tuned {
  readonly rate: number
  /** Both neighbours were tried. */
  readonly isInterior: boolean
  readonly outcomes: readonly Outcome[]
}

/** The best rate of the first seed, and with it all seeds. */
export function tuned(setting: Setting, method: Method, steps: number): Tuned {
  const { seeds, tries, firstRate } = setting
  const rateAt = (power: number): number => firstRate * (method.rateFactor ?? 1) * 2 ** power
  const { power, isInterior } = searchRate(
    (at) => once(setting, method, { steps, learningRate: rateAt(at), seed: seeds[0] }),
    ({ chosenBy }) => chosenBy,
    { tries },
  )
  const learningRate = rateAt(power)
  return {
    rate: learningRate,
    isInterior,
    outcomes: atRate(setting, method, steps, learningRate),
  }
}

/** All seeds at one rate. */
export function atRate(setting: Setting, method: Method, steps: number, learningRate: number): Outcome[] {
  return setting.seeds.map((seed) => once(setting, method, { steps, learningRate, seed }))
}

/** How a run differs from others of its method. */
export type OneRun = Pick<TrainedRun, 'steps' | 'learningRate' | 'seed'> & {
  /** A schedule and rows to measure on of its own, with a name. */
  readonly branch?: Pick<TrainedRun, 'schedule' | 'probe'> & { readonly name: string }
}

/** One run, or what is kept of it. */
export function once(setting: Setting, method: Method, { branch, ...run }: OneRun): Outcome {
  const { context, base, rows, cache } = setting
  const settings: RunSettings = {
    ...run,
    ...method.settings,
    ...setting.versions,
    threads: context.threads,
    ...(branch ? { branch: branch.name } : {}),
  }
  const { outcome } = cache.run(settings, versionOfMethod(method), () => {
    const device = openCpu({ threads: context.threads })
    const task = createTask(rows, 'iid', run.seed)
    const trained = trainOnce({ base, method, device, task, ...run, ...branch })
    const { chosenBy, reported, seconds, cpuSeconds, kept, failure } = trained
    context.progress(
      `${method.name}, ${run.steps} steps, rate ${run.learningRate}, seed ${run.seed}: ${failure ?? `${chosenBy.toFixed(4)} ${reported.toFixed(4)}`} (${seconds.toFixed(0)} s, ${cpuSeconds.toFixed(1)} s of the processor, ${kept} kept)`,
    )
    return trained
  })
  return outcome
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const TRAINING = new URL('train-once.ts', import.meta.url).pathname

const versions = new Map<string, string>()

function versionOfMethod({ sources }: Method): string {
  const modules = [TRAINING, ...sources]
  const key = modules.join('\n')
  const version = versions.get(key) ?? versionOf(modules)
  versions.set(key, version)
  return version
}
