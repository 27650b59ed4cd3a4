/**
 * `bench compression`: workers that send less, beside workers that send all. Of every way the learning rate is chosen by rows that are not reported, with as
 * many tries at most; then other seeds with that rate. What is claimed is the mean gap over the seeds and bytes that were counted.
 */
import { openCpu } from '../../../plugins/cpu/mod.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { MODEL } from '../../recipes/tiny-llama/paths.ts'
import { bundlingRows } from './bundling.ts'
import { DENSE, type Method, METHODS } from './methods.ts'
import { compressionRows, type Measured } from './rows.ts'
import { type Outcome, simulate } from './simulate.ts'
import { createTask, readRows, type Rows, type Sharding } from './task.ts'

/** `--only "4 workers, iid, local 5"`: names are number of workers, sharding, method. */
const FULL = { steps: [300, 1000], seeds: [1, 2, 3], workers: [2, 4, 8], tries: 5 }
const QUICK = { steps: [24], seeds: [1], workers: [2], tries: 1 }
/** Where the search for a rate begins, of the bundled model and of one that is given: larger models take lower ones. */
const RATES = { bundled: 4e-3, given: 1e-3 }

export const compression: Topic = {
  name: 'compression',
  async run(context) {
    const plan = context.quick ? QUICK : FULL
    const base = context.model ?? MODEL
    const rows = readRows(base)
    const measured: Measured[] = []
    for (const steps of plan.steps)
      for (const sharding of ['iid', 'domain'] as const) {
        const methods = plan.workers.flatMap((workers) =>
          METHODS.map((method) => ({ workers, method, name: nameOf({ workers, sharding, method, steps }) })),
        )
        const asked = methods.filter(({ name }) => context.only === null || name.includes(context.only))
        if (asked.length === 0) continue
        const { seeds, tries } = plan
        const setting = { context, base, rows, sharding, steps, seeds, tries }
        const dense = tuned({ ...setting, method: DENSE, workers: 1 })
        for (const { name, ...one } of asked)
          measured.push({ name, ...one, steps, dense, own: tuned({ ...setting, ...one }) })
      }
    const bundling = bundlingRows().filter(({ name }) => context.only === null || name.includes(context.only))
    // After so few steps as of --quick nothing is judged.
    return [...bundling, ...compressionRows(measured)].map((row): Row =>
      context.quick ? { ...row, floor: null, goal: null } : row,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Setting {
  readonly context: BenchContext
  readonly base: string
  readonly rows: Rows
  readonly sharding: Sharding
  readonly steps: number
  readonly seeds: readonly number[]
  readonly tries: number
  readonly method: Method
  readonly workers: number
}

function nameOf({
  workers,
  sharding,
  method,
  steps,
}: Pick<Setting, 'workers' | 'sharding' | 'method' | 'steps'>): string {
  return `${workers} workers, ${sharding}, ${method.name}, ${steps} steps`
}

/** The best rate of the first seed, and with it all seeds. */
function tuned(setting: Setting): Measured['own'] {
  const { seeds, tries, context } = setting
  const rateAt = (power: number): number =>
    (context.model === null ? RATES.bundled : RATES.given) * 2 ** power
  const found = new Map<number, Outcome>()
  const at = (power: number): number => {
    const known = found.get(power) ?? once(setting, rateAt(power), seeds[0])
    found.set(power, known)
    return known.chosenBy
  }
  let best = 0
  at(0)
  for (const side of [1, -1]) while (found.size < tries && at(best + side) < at(best)) best += side
  const isInterior = found.has(best - 1) && found.has(best + 1)
  const first = found.get(best) ?? once(setting, rateAt(best), seeds[0])
  const others = seeds.slice(1).map((seed) => once(setting, rateAt(best), seed))
  return { rate: rateAt(best), isInterior, outcomes: [first, ...others] }
}

function once(setting: Setting, learningRate: number, seed: number): Outcome {
  const { context, rows, sharding, ...run } = setting
  const device = openCpu({ threads: context.threads })
  const started = performance.now()
  const outcome = simulate({ ...run, device, task: createTask(rows, sharding, seed), learningRate, seed })
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  context.progress(
    `${nameOf(setting)}, rate ${learningRate}, seed ${seed}: ${outcome.chosenBy.toFixed(4)} ${outcome.reported.toFixed(4)} (${seconds} s, δ ${outcome.kept.toFixed(3)}, backlog ${outcome.backlog.toFixed(2)})`,
  )
  return outcome
}
