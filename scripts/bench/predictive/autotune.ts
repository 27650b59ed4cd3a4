/**
 * A learning rate that short branches find, their passes counted, beside the rate of a file that nobody tuned.
 */
import { branchSchedule, planSearch, searchLearningRate } from '../../../plugins/autotune/mod.ts'
import { createTask } from '../compression/task.ts'
import { ADAMW } from './method.ts'
import type { Outcome } from './train-once.ts'
import { atRate, once, type Setting, type Tuned } from './tuning.ts'

/** The rate of `tritune init`. */
export const DEFAULT_RATE = 2e-4

/** Where `learning_rate: auto` begins for an adapter. */
const CENTER = 1e-3

/** All seeds at the rate of `tritune init`, and at the rate that each of them finds. */
export async function autotuned(
  setting: Setting,
  steps: number,
): Promise<{ readonly untuned: Tuned; readonly searched: Tuned; readonly rates: readonly number[] }> {
  const untuned = atRate(setting, ADAMW, steps, DEFAULT_RATE)
  const searched: Outcome[] = []
  const rates: number[] = []
  for (const seed of setting.seeds) {
    const { rate, cost } = await search(setting, seed, steps)
    const run = once(setting, ADAMW, { steps, learningRate: rate, seed })
    rates.push(rate)
    searched.push({
      ...run,
      forwards: run.forwards + cost.forwards,
      backwards: run.backwards + cost.backwards,
      seconds: run.seconds + cost.seconds,
      cpuSeconds: run.cpuSeconds + cost.cpuSeconds,
    })
  }
  return {
    untuned: { rate: DEFAULT_RATE, isInterior: true, outcomes: untuned },
    searched: { rate: rates[0], isInterior: true, outcomes: searched },
    rates,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Cost = Pick<Outcome, 'forwards' | 'backwards' | 'seconds' | 'cpuSeconds'>

/** As a run does it, on rows of steps that it has not come to. */
async function search(
  setting: Setting,
  seed: number,
  steps: number,
): Promise<{ readonly rate: number; readonly cost: Cost }> {
  const task = createTask(setting.rows, 'iid', seed)
  const probe = [task.rowsOf(steps, 0, 1), task.rowsOf(steps + 1, 0, 1)]
  let cost: Cost = { forwards: 0, backwards: 0, seconds: 0, cpuSeconds: 0 }
  const branch = (learningRate: number, length: number): number => {
    const name = `search of ${steps} steps`
    const schedule = branchSchedule(length)
    const one = once(setting, ADAMW, {
      steps: length,
      learningRate,
      seed,
      branch: { name, schedule, probe },
    })
    cost = {
      forwards: cost.forwards + one.forwards + probe.length,
      backwards: cost.backwards + one.backwards,
      seconds: cost.seconds + one.seconds,
      cpuSeconds: cost.cpuSeconds + one.cpuSeconds,
    }
    return one.probed
  }
  const start = branch(0, 1)
  // The start is a step here, of which only the measurement is needed.
  const plan = planSearch({ totalSteps: steps, measurement: 0.5 * probe.length, spent: 1 })
  const { rate } = await searchLearningRate({
    ...plan,
    center: CENTER,
    start,
    branch: async (...of) => branch(...of),
  })
  return { rate, cost }
}
