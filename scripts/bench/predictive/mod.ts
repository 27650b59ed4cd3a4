/**
 * `bench predictive`: guessed steps and searched learning rates beside a tuned AdamW. The frontier of AdamW comes first: at each budget its learning rate is chosen
 * by rows that are not reported. Then every method has as many tries, and is judged by what AdamW needs for the loss that it reaches, on annealed runs alone.
 */
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { branchSchedule, planSearch, searchLearningRate } from '../../../plugins/autotune/mod.ts'
import { MODEL } from '../../recipes/tiny-llama/paths.ts'
import { mean } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { createTask, readRows, type Rows } from '../compression/task.ts'
import { bootstrap, type FrontierPoint, unitsFor } from './frontier.ts'
import { ADAMW, type Method, METHODS } from './methods.ts'
import { type Outcome, type TrainedRun, trainOnce, unitsOf } from './train-once.ts'

/** Steps of the frontier, of the methods, and how often. */
const FULL = { frontier: [50, 100, 200, 400, 800], steps: 200, seeds: [1, 2, 3], tries: 5 }
/** Long enough that something is guessed. */
const QUICK = { frontier: [8, 28], steps: 28, seeds: [1], tries: 1 }

/** Where the search for a rate begins; larger models take lower ones. */
const RATES = { bundled: 4e-3, given: 1e-3 }

/** The rate of `tritune init`. */
const DEFAULT_RATE = 2e-4

export const predictive: Topic = {
  name: 'predictive',
  async run(context) {
    const plan = context.quick ? QUICK : FULL
    const base = context.model ?? MODEL
    const setting: Setting = { ...plan, context, base, rows: readRows(base) }
    const frontier = plan.frontier.map((steps): FrontierPoint => {
      const { outcomes } = tuned(setting, ADAMW, steps)
      return { units: unitsOf(outcomes[0]), loss: mean(outcomes.map(({ reported }) => reported)) }
    })
    const asked = METHODS.filter(({ name }) => context.only === null || name.includes(context.only))
    const rows = asked.map((method) => methodRow(method, tuned(setting, method, plan.steps), frontier))
    const more = context.only === null && !context.quick ? await autotuneRows(setting, frontier) : []
    // After so few steps as of --quick nothing is judged.
    return [...frontierRows(frontier), ...rows, ...more].map((row): Row =>
      context.quick ? { ...row, floor: null, goal: null } : row,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Setting {
  readonly context: BenchContext
  readonly base: string
  readonly rows: Rows
  readonly steps: number
  readonly seeds: readonly number[]
  readonly tries: number
}

interface Tuned {
  readonly rate: number
  readonly outcomes: readonly Outcome[]
}

function frontierRows(frontier: readonly FrontierPoint[]): Row[] {
  return frontier.map(({ units, loss }) => ({
    ...INFORMS,
    name: `adamw, tuned, ${units} passes`,
    ours: loss,
    unit: 'nats',
    better: 'lower',
  }))
}

const INFORMS = { peer: null, ratio: null, floor: null, goal: null } as const

function methodRow(
  { name, floor }: Pick<Method, 'name' | 'floor'>,
  { rate, outcomes }: Tuned,
  frontier: readonly FrontierPoint[],
): Row {
  const needed = outcomes.map(({ reported }) => unitsFor(frontier, reported))
  const { mean: speed, low, high } = bootstrap(outcomes.map((one, i) => needed[i].units / unitsOf(one)))
  const [first] = outcomes
  const outside = needed.some(({ isOutside }) => isOutside) ? '; outside of the frontier' : ''
  return {
    name,
    ours: speed,
    peer: null,
    unit: '× tuned adamw',
    ratio: null,
    floor,
    goal: null,
    better: 'higher',
    note: `${low.toFixed(2)} … ${high.toFixed(2)} of 95 %; rate ${rate}, ${first.forwards} forward, ${first.backwards} backward, ${first.kept} kept, ${first.seconds.toFixed(0)} s, loss ${mean(outcomes.map(({ reported }) => reported)).toFixed(4)}${outside}`,
  }
}

/** The rate that a search finds, its passes counted, beside the rate of a file that nobody tuned. */
async function autotuneRows(setting: Setting, frontier: readonly FrontierPoint[]): Promise<Row[]> {
  const { seeds, steps } = setting
  const plain = seeds.map((seed) => once(setting, ADAMW, { steps, learningRate: DEFAULT_RATE, seed }))
  const searched: Outcome[] = []
  let rate = 0
  for (const seed of seeds) {
    const { found, cost } = await search(setting, seed)
    rate = found
    const run = once(setting, ADAMW, { steps, learningRate: found, seed })
    searched.push({
      ...run,
      forwards: run.forwards + cost.forwards,
      backwards: run.backwards + cost.backwards,
      seconds: run.seconds + cost.seconds,
    })
  }
  const untuned = methodRow(
    { name: `adamw at ${DEFAULT_RATE}`, floor: null },
    { rate: DEFAULT_RATE, outcomes: plain },
    frontier,
  )
  const auto = methodRow({ name: 'learning_rate: auto', floor: null }, { rate, outcomes: searched }, frontier)
  return [
    untuned,
    auto,
    {
      ...auto,
      name: 'learning_rate: auto, beside a rate that nobody tuned',
      ours: auto.ours / untuned.ours,
      unit: '× adamw',
      floor: 2,
      goal: 3,
      note: 'by what the tuned AdamW needs for each loss; the search is counted',
    },
  ]
}

/** As a run does it, on rows of steps that it has not come to. */
async function search(
  setting: Setting,
  seed: number,
): Promise<{ readonly found: number; readonly cost: Pick<Outcome, 'forwards' | 'backwards' | 'seconds'> }> {
  const { rows, steps } = setting
  const task = createTask(rows, 'iid', seed)
  const probe = [task.rowsOf(steps, 0, 1), task.rowsOf(steps + 1, 0, 1)]
  const cost = { forwards: 0, backwards: 0, seconds: 0 }
  const branch = (learningRate: number, length: number): number => {
    const one = once(setting, ADAMW, {
      steps: length,
      learningRate,
      seed,
      schedule: branchSchedule(length),
      probe,
    })
    cost.forwards += one.forwards + probe.length
    cost.backwards += one.backwards
    cost.seconds += one.seconds
    return one.probed
  }
  const start = branch(0, 1)
  const plan = planSearch({ totalSteps: steps, measurement: 0.5 * probe.length })
  const { rate } = await searchLearningRate({
    ...plan,
    center: 1e-3,
    start,
    branch: async (...of) => branch(...of),
  })
  return { found: rate, cost }
}

/** The best rate of the first seed, and with it all seeds. */
function tuned(setting: Setting, method: Method, steps: number): Tuned {
  const { seeds, tries, context } = setting
  const rateAt = (power: number): number =>
    (context.model === null ? RATES.bundled : RATES.given) * 2 ** power
  const found = new Map<number, Outcome>()
  const at = (power: number): number => {
    const known =
      found.get(power) ?? once(setting, method, { steps, learningRate: rateAt(power), seed: seeds[0] })
    found.set(power, known)
    return known.chosenBy
  }
  let best = 0
  at(0)
  for (const side of [1, -1]) while (found.size < tries && at(best + side) < at(best)) best += side
  const learningRate = rateAt(best)
  const outcomes = seeds.map((seed, i) =>
    i === 0
      ? (found.get(best) ?? once(setting, method, { steps, learningRate, seed }))
      : once(setting, method, { steps, learningRate, seed }),
  )
  return { rate: learningRate, outcomes }
}

function once(
  { context, base, rows }: Setting,
  method: Method,
  run: Pick<TrainedRun, 'steps' | 'learningRate' | 'seed' | 'schedule' | 'probe'>,
): Outcome {
  const device = openCpu({ threads: context.threads })
  const outcome = trainOnce({ base, method, device, task: createTask(rows, 'iid', run.seed), ...run })
  const { chosenBy, reported, seconds, kept } = outcome
  context.progress(
    `${method.name}, ${run.steps} steps, rate ${run.learningRate}, seed ${run.seed}: ${chosenBy.toFixed(4)} ${reported.toFixed(4)} (${seconds.toFixed(0)} s, ${kept} kept)`,
  )
  return outcome
}
