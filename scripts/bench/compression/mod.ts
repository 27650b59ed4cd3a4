/**
 * `bench compression`: workers that send less, beside workers that send all. Of every way the learning rate is chosen by rows that are not reported, with as
 * many tries at most; then other seeds with that rate. What is claimed is the gap over the seeds with its interval, and bytes that were counted.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { MODEL } from '../../recipes/tiny-llama/paths.ts'
import { bundlingRows } from './bundling.ts'
import { codingRows } from './coding.ts'
import { linkRows } from './link-rows.ts'
import { DENSE, type Method, METHODS } from './methods.ts'
import { compressionRows, type Measured, type Tuned } from './rows.ts'
import { openRunner, type Runner } from './runner.ts'
import { readRows, type Sharding } from './task.ts'
import { searchRate } from '../runs/search-rate.ts'

/** `--only "4 workers, iid, local 5"`: names are number of workers, sharding, method. */
const FULL = { steps: [300, 1000], seeds: 3, workers: [2, 4, 8], tries: 5 }
const QUICK = { steps: [24], seeds: 1, workers: [2], tries: 1 }
/** Where the search for a rate begins, of the bundled model and of one that is given: larger models take lower ones. */
const RATES = { bundled: 4e-3, given: 1e-3 }

export const compression: Topic = {
  name: 'compression',
  async run(context) {
    const plan = context.quick ? QUICK : FULL
    const isAsked = ({ name }: { readonly name: string }): boolean =>
      context.only === null || name.includes(context.only)
    const cells = cellsOf(plan).filter(isAsked)
    const base = context.model ?? MODEL
    const others = [...bundlingRows().filter(isAsked), ...codingRows(base, isAsked, context.quick)]
    if (cells.length === 0 && others.length === 0)
      throw new TrituneError('E_USAGE', `--only: nothing has "${context.only}" in its name`, {
        remedy: `names are such as "4 workers, iid, ${METHODS[0].name}, ${plan.steps[0]} steps"`,
      })
    if (cells.length === 0) return others
    const runner = openRunner(context, base, readRows(base))
    const seeds = Array.from({ length: context.seeds ?? plan.seeds }, (_, i) => i + 1)
    const measured = cells.map((cell): Measured => {
      const setting = { ...cell, context, runner, seeds, plan: plan.steps, tries: plan.tries }
      const dense = tuned({ ...setting, method: DENSE, workers: 1 })
      return { ...cell, dense, own: tuned(setting), untrained: untrained(setting) }
    })
    const rows = [...others, ...compressionRows(measured), ...linkRows(measured), ...runner.rows()]
    // After so few steps as of --quick nothing is judged.
    return await Promise.resolve(
      rows.map((row): Row => (context.quick ? { ...row, floor: null, goal: null } : row)),
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What is compared with sending everything. */
interface Cell {
  readonly name: string
  readonly method: Method
  readonly workers: number
  readonly sharding: Sharding
  readonly steps: number
}

function cellsOf({ steps: lengths, workers: worlds }: typeof FULL): Cell[] {
  return lengths.flatMap((steps) =>
    (['iid', 'domain'] as const).flatMap((sharding) =>
      worlds.flatMap((workers) =>
        METHODS.map((method) => {
          const name = `${workers} workers, ${sharding}, ${method.name}, ${steps} steps`
          return { name, method, workers, sharding, steps }
        }),
      ),
    ),
  )
}

interface Setting extends Omit<Cell, 'name'> {
  readonly context: BenchContext
  readonly runner: Runner
  readonly seeds: readonly number[]
  readonly tries: number
  /** All lengths of runs, the shortest first. */
  readonly plan: readonly number[]
}

/** The loss before anything is learnt. */
function untrained({ runner, sharding, seeds: [seed] }: Setting): number {
  return runner.run({ method: DENSE, workers: 1, sharding, steps: 1, learningRate: 0, seed }).reported
}

function rateAt({ context }: Setting, power: number): number {
  return (context.model === null ? RATES.bundled : RATES.given) * 2 ** power
}

/** The best rate of the first seed. Runs of other lengths begin where the search over the shortest ended: that is cheaper, for all ways alike. */
function searched(setting: Setting): ReturnType<typeof searchRate<ReturnType<Runner['run']>>> {
  const { runner, seeds, tries, plan, steps } = setting
  const isFirst = steps === plan[0]
  const start = isFirst ? 0 : searched({ ...setting, steps: plan[0] }).power
  const run = (power: number): ReturnType<Runner['run']> =>
    runner.run({ ...setting, learningRate: rateAt(setting, power), seed: seeds[0] })
  return searchRate(run, ({ chosenBy }) => chosenBy, {
    start,
    tries: isFirst ? tries : (setting.context.tries ?? tries),
  })
}

function tuned(setting: Setting): Tuned {
  const { best, power, isInterior, tries } = searched(setting)
  const learningRate = rateAt(setting, power)
  const others = setting.seeds.slice(1).map((seed) => setting.runner.run({ ...setting, learningRate, seed }))
  return { rate: learningRate, isInterior, tries, outcomes: [best, ...others] }
}
