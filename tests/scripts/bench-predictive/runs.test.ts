/**
 * `bench predictive`: the frontier that speeds are read from, what is counted, and that AdamW is what guesses that are refused come to.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { type Batch, concatenate } from '../../../plugins/data/mod.ts'
import { compare, frontierOf, type TunedBudget } from '../../../scripts/bench/predictive/rows.ts'
import { bootstrap, needed } from '../../../scripts/bench/predictive/frontier.ts'
import { placeboArm } from '../../../scripts/bench/predictive/baselines/placebo.ts'
import { hybridOptions } from '../../../plugins/hybrid/options.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'
import { ADAMW, METHODS, NO_OP } from '../../../scripts/bench/predictive/methods.ts'
import { type Outcome, trainOnce, unitsOf } from '../../../scripts/bench/predictive/train-once.ts'
import { createTask, type Rows, type Task } from '../../../scripts/bench/compression/task.ts'
import { MODEL } from '../../../scripts/recipes/tiny-llama/paths.ts'

/** Short rows, as tokens cost time. */
function rowsOf(count: number): Batch[] {
  return Array.from({ length: count }, (_, row) => {
    const ids = Int32Array.from({ length: 12 }, (__, i) => 5 + ((row * 7 + i * 3) % 90))
    return concatenate([{ ids, labels: ids, source: { file: 'here', line: row + 1 } }])
  })
}

const ROWS: Rows = { train: [rowsOf(8), rowsOf(8)], heldOut: [rowsOf(2), rowsOf(2)] }
const TASK = createTask(ROWS, 'iid', 1)

const trainedNothing: Outcome = {
  chosenBy: Infinity,
  reported: Infinity,
  probed: Infinity,
  forwards: 1,
  backwards: 1,
  seconds: 1,
  cpuSeconds: 1,
  kept: 0,
  predicted: 0,
  losses: [],
  gradNorms: [],
  failure: null,
}

const POINTS = [
  { units: 400, loss: 2 },
  { units: 100, loss: 3 },
  { units: 200, loss: 2.5 },
]

test('what AdamW needs for a loss', () => {
  for (const { units, loss } of POINTS) {
    const found = needed(POINTS, loss)
    expect(found.units).toBeCloseTo(units, 6)
    expect(found.isOutside).toBe(false)
  }
  expect(needed(POINTS, 2.25).units).toBeCloseTo(Math.sqrt(200 * 400), 6)
  expect(needed(POINTS, 2.75).units).toBeCloseTo(Math.sqrt(100 * 200), 6)
  expect(needed(POINTS, 1.5)).toEqual({ units: expect.closeTo(800, 6), isOutside: true })
  expect(needed(POINTS, 3.5)).toEqual({ units: expect.closeTo(50, 6), isOutside: true })
})

test('a longer run that came to no less is left out, and without two points there is none', () => {
  const worse = [...POINTS, { units: 300, loss: 2.6 }]
  expect(needed(worse, 2.25)).toEqual(needed(POINTS, 2.25))
  expect(() => needed([POINTS[1], { units: 800, loss: 3 }], 3)).toThrow('there is no frontier')
})

test('seeds are compared in pairs: what AdamW itself reached is 1, whatever the seeds differ by', () => {
  const outcomes = (losses: readonly number[], passes: number): Outcome[] =>
    losses.map((reported) => ({ ...trainedNothing, reported, forwards: passes, backwards: passes }))
  const budget = (steps: number, losses: readonly number[]): TunedBudget => ({
    steps,
    rate: 1,
    isInterior: true,
    outcomes: outcomes(losses, steps),
  })
  const budgets = [budget(10, [3, 3.5]), budget(20, [2, 2.5]), budget(40, [1, 1.5])]
  const frontier = frontierOf(budgets)
  const same = compare('same', budgets[1], frontier)
  expect([same.speed.low, same.speed.mean, same.speed.high]).toEqual([1, 1, 1])
  const dearer = compare('dearer', { ...budgets[1], outcomes: outcomes([2, 2.5], 25) }, frontier)
  expect([dearer.speed.low, dearer.speed.high]).toEqual([expect.closeTo(0.8), expect.closeTo(0.8)])
})

test('an interval holds the mean, and nothing else where all are alike', () => {
  const { mean, low, high } = bootstrap([0.5, 1, 2])
  expect(mean).toBeCloseTo(1, 12)
  expect(low).toBeGreaterThanOrEqual(0.5)
  expect(low).toBeLessThan(0.9)
  expect(high).toBeGreaterThan(1.1)
  expect(high).toBeLessThanOrEqual(2)
  expect(bootstrap([1.5, 1.5])).toEqual({
    mean: expect.closeTo(1.5),
    low: expect.closeTo(1.5),
    high: expect.closeTo(1.5),
  })
})

test('passes are counted, and refused guesses change nothing but those', () => {
  const device = openCpu({ threads: 1 })
  const run = {
    base: MODEL,
    task: TASK,
    steps: 7,
    learningRate: 4e-3,
    seed: 1,
    device,
  }
  const plain = trainOnce({ ...run, method: ADAMW })
  expect([plain.forwards, plain.backwards, unitsOf(plain)]).toEqual([7, 7, 14])
  const options = hybridOptions.validate({
    arm: 'reuse',
    warmup: 2,
    every: 1,
    exploration: 1,
    confidence: 1e9,
  })
  const refused = trainOnce({
    ...run,
    method: { ...ADAMW, strategy: (made) => createHybrid(options, made) },
  })
  expect(refused.reported).toBe(plain.reported)
  expect(refused.backwards).toBe(7)
  expect(refused.forwards).toBeGreaterThan(7)
  expect((refused.forwards - 7) % 2).toBe(0)
  expect([refused.kept, refused.predicted]).toEqual([0, 0])
  const random = trainOnce({
    ...run,
    method: {
      ...ADAMW,
      strategy: (made) =>
        createHybrid({ ...options, warmup: 1, confidence: 0 }, made, { arms: () => [placeboArm(1)] }),
    },
  })
  expect(random.backwards).toBe(7)
})

test('a fourth of the rows of a step: as many tokens, four times the steps, the same order', () => {
  const quarter = METHODS.find(({ name }) => name === 'batch / 4')
  if (!quarter) throw new Error('it is not in the list')
  const seen: number[] = []
  const task: Task = {
    ...TASK,
    rowsOf(step, worker, workers) {
      const batch = TASK.rowsOf(step, worker, workers)
      seen.push(...batch.ids)
      return batch
    },
  }
  const run = { base: MODEL, task, steps: 2, learningRate: 1e-3, seed: 1, device: openCpu({ threads: 1 }) }
  const outcome = trainOnce({ ...run, method: quarter })
  expect([outcome.forwards, outcome.backwards, outcome.losses.length]).toEqual([2, 2, 8])
  const quarters = seen.splice(0)
  trainOnce({ ...run, method: ADAMW })
  expect(quarters).toEqual(seen)
})

test('a run that gives NaN is an outcome, with its reason', () => {
  const lost = trainOnce({
    base: MODEL,
    task: TASK,
    steps: 3,
    learningRate: 1e30,
    seed: 1,
    device: openCpu({ threads: 1 }),
    method: ADAMW,
  })
  expect(lost.failure).toContain('step')
  expect([lost.chosenBy, lost.reported]).toEqual([Infinity, Infinity])
})

test('there is a control for what a method could be mistaken for', () => {
  const names = METHODS.map(({ name }) => name)
  for (const control of [NO_OP, 'last update again, eager', 'placebo, eager', 'batch / 4', 'muon', 'lion'])
    expect(names).toContain(control)
  const settings = METHODS.map((method) => JSON.stringify(method.settings))
  expect(new Set(settings).size).toBe(settings.length)
})

test('a frontier of runs that diverged, or that are not there, is one clear error', () => {
  const outcome = { ...trainedNothing, failure: 'the loss of step 1 is NaN' }
  const budget = { steps: 10, rate: 1, isInterior: false, outcomes: [outcome] }
  const fine = { ...budget, outcomes: [trainedNothing] }
  expect(() => frontierOf([fine])).toThrow('the runs of a tuned AdamW are not there')
  expect(() => frontierOf([fine, budget])).toThrow(
    'adamw diverges at every learning rate that was tried for 10 steps: the loss of step 1 is NaN',
  )
})
