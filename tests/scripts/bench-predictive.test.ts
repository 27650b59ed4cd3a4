/**
 * `bench predictive`: the frontier that speeds are read from, what is counted, and that AdamW is what guesses that are refused come to.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { type Batch, concatenate } from '../../plugins/data/mod.ts'
import { bootstrap, needed } from '../../scripts/bench/predictive/frontier.ts'
import { ADAMW, METHODS } from '../../scripts/bench/predictive/methods.ts'
import { trainOnce, unitsOf } from '../../scripts/bench/predictive/train-once.ts'
import { createTask, type Rows } from '../../scripts/bench/compression/task.ts'
import { MODEL } from '../../scripts/recipes/tiny-llama/paths.ts'

/** Short rows, as tokens cost time. */
function rowsOf(count: number): Batch[] {
  return Array.from({ length: count }, (_, row) => {
    const ids = Int32Array.from({ length: 12 }, (__, i) => 5 + ((row * 7 + i * 3) % 90))
    return concatenate([{ ids, labels: ids, source: { file: 'here', line: row + 1 } }])
  })
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
  const task = createTask(
    { train: [rowsOf(8), rowsOf(8)], heldOut: [rowsOf(2), rowsOf(2)] } satisfies Rows,
    'iid',
    1,
  )
  const run = {
    base: MODEL,
    task,
    steps: 7,
    learningRate: 4e-3,
    seed: 1,
    device,
  }
  const plain = trainOnce({ ...run, method: ADAMW })
  expect([plain.forwards, plain.backwards, unitsOf(plain)]).toEqual([7, 7, 14])
  const refusing = {
    ...ADAMW,
    hybrid: { arm: 'reuse', warmup: 2, every: 1, exploration: 1, confidence: 1e9 },
  } as const
  const refused = trainOnce({ ...run, method: refusing })
  expect(refused.reported).toBe(plain.reported)
  expect(refused.backwards).toBe(7)
  expect(refused.forwards).toBeGreaterThan(7)
  expect((refused.forwards - 7) % 2).toBe(0)
  expect(refused.kept).toBe(0)
  const placebo = { ...refusing, hybrid: { ...refusing.hybrid, confidence: 0 }, isPlacebo: true }
  expect(trainOnce({ ...run, method: placebo }).backwards).toBe(7)
})

test('there is a control for what a method could be mistaken for', () => {
  const names = METHODS.map(({ name }) => name)
  for (const control of ['hybrid, all guesses refused', 'last update again, eager', 'placebo, eager'])
    expect(names).toContain(control)
})
