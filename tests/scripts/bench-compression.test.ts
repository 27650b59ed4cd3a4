/**
 * `bench compression`: what workers are given, what is counted, and that plain training is what it is compared with.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { LINKS, sumSeconds } from '../../plugins/distributed/mod.ts'
import { type Batch, concatenate } from '../../plugins/data/mod.ts'
import { DENSE, METHODS } from '../../scripts/bench/compression/methods.ts'
import { bundlingRows } from '../../scripts/bench/compression/bundling.ts'
import { linkRows } from '../../scripts/bench/compression/link-rows.ts'
import { type AskedRun, openRunner } from '../../scripts/bench/compression/runner.ts'
import { compressionRows, type Tuned } from '../../scripts/bench/compression/rows.ts'
import { type Outcome, simulate } from '../../scripts/bench/compression/simulate.ts'
import { MODEL } from '../../scripts/recipes/tiny-llama/paths.ts'
import { createTask, type Rows, ROWS } from '../../scripts/bench/compression/task.ts'
import { tritune } from './_command.ts'

/** A row whose tokens tell which it is. */
function row(text: number, index: number): Batch {
  const ids = Int32Array.of(text, index, 7, 9)
  return concatenate([{ ids, labels: ids, source: { file: 'here', line: 1 } }])
}
const rowsOf = (text: number, count: number): Batch[] =>
  Array.from({ length: count }, (_, i) => row(text, i + 10))
const ALL: Rows = { train: [rowsOf(2, 12), rowsOf(3, 12)], heldOut: [rowsOf(2, 2), rowsOf(3, 2)] }

/** Of which rows a batch is. */
const namesIn = ({ examples }: Batch): string[] => examples.map(({ ids }) => `${ids[0]}/${ids[1]}`)

describe.each(['iid', 'domain'] as const)('%s', (sharding) => {
  const task = createTask(ALL, sharding, 1)
  test.each([2, 4, 8])('%p workers have the rows that one alone has, each once', (workers) => {
    for (const step of [0, 1, 5]) {
      const parts = Array.from({ length: workers }, (_, worker) =>
        namesIn(task.rowsOf(step, worker, workers)),
      )
      expect(parts.every((part) => part.length === ROWS / workers)).toBe(true)
      expect(parts.flat().toSorted()).toEqual(namesIn(task.rowsOf(step, 0, 1)).toSorted())
    }
  })
  test('rows come again only when all have been there, in another order', () => {
    const seen = [0, 1, 2, 3, 4, 5].map((step) => namesIn(task.rowsOf(step, 0, 1)))
    expect(new Set(seen.slice(0, 3).flat()).size).toBe(24)
    expect(seen.slice(3).flat()).not.toEqual(seen.slice(0, 3).flat())
  })
})

test('by domain, workers of even rank see one text, the others the other', () => {
  const task = createTask(ALL, 'domain', 1)
  for (const worker of [0, 1, 2, 3])
    expect(
      namesIn(task.rowsOf(3, worker, 4)).every((name) => name.startsWith(worker % 2 === 0 ? '2/' : '3/')),
    ).toBe(true)
})

test('one worker that sends its weights densely each step is plain training, to the bit', () => {
  const device = openCpu({ threads: 1 })
  const run = {
    base: MODEL,
    device,
    threads: 1,
    workers: 1,
    steps: 3,
    learningRate: 8e-3,
    seed: 1,
    task: createTask(ALL, 'iid', 1),
  }
  const plain = simulate({ ...run, method: DENSE })
  const local = simulate({ ...run, method: { ...DENSE, sends: 'weights' } })
  expect(local.reported).toBe(plain.reported)
  expect(plain.reported).toBeLessThan(simulate({ ...run, method: DENSE, steps: 1 }).reported)
})

test('workers that send ternary weights and gradients learn, and their bytes are counted', () => {
  const device = openCpu({ threads: 1 })
  const run = {
    base: MODEL,
    device,
    threads: 1,
    workers: 2,
    steps: 3,
    learningRate: 8e-3,
    seed: 1,
    task: createTask(ALL, 'domain', 1),
  }
  for (const method of METHODS.filter(({ codec, every }) => codec === 'ternary' && every === 1)) {
    const { reported, sentBytes, receivedBytes, denseBytes, kept } = simulate({ ...run, method })
    expect(reported).toBeLessThan(simulate({ ...run, method: DENSE, steps: 1 }).reported)
    expect(receivedBytes).toBe(sentBytes)
    // Of three rounds of weights two are bf16.
    const share = method.sends === 'weights' ? (0.5 + 0.5 + 0.0502) / 3 : 0.0502
    expect(sentBytes / denseBytes).toBeCloseTo(share, 2)
    expect(kept).toBeGreaterThan(0.5)
  }
})

describe('rows', () => {
  const outcome = (reported: number): Outcome => ({
    chosenBy: reported,
    reported,
    sentBytes: 1e6,
    receivedBytes: 3e6,
    denseBytes: 2e7,
    stepSeconds: 0.1,
    codecSeconds: 2,
    kept: 0.8,
    backlog: 0.5,
  })
  const tuned = (...losses: number[]): Tuned => ({
    rate: 0.01,
    isInterior: true,
    tries: 3,
    outcomes: losses.map(outcome),
  })
  const [, method] = METHODS
  const rows = compressionRows([
    { name: 'x', method, workers: 4, steps: 100, dense: tuned(2, 4), own: tuned(2.02, 4.12), untrained: 5 },
  ])
  test('the gap is the mean over seeds of each beside its own', () => {
    expect(rows[0]).toMatchObject({ name: 'x: loss', ratio: (1.01 + 1.03) / 2, goal: 1.02, better: 'lower' })
    expect(rows[0].note).toContain('gaps 1.00 %, 3.00 %')
  })
  test('the gap has its interval, and after 1000 steps a claim stands by its upper end', () => {
    const gapOf = (steps: number, ...losses: number[]): string | undefined =>
      compressionRows([
        { name: 'x', method, workers: 4, steps, dense: tuned(2, 2), own: tuned(...losses), untrained: 5 },
      ])[0].note
    // A mean of 1 %, and half a percent either way times 12.7 / √2 · √2 of two values.
    expect(gapOf(300, 2.01, 2.03)).toContain(
      '(-5.35 % … 7.35 % of 95 %); 0.7 % of what training gains from 5.000; rate',
    )
    expect(gapOf(1000, 2.01, 2.03)).toContain('of 95 %), so ≤ 2 % is not shown')
    expect(gapOf(1000, 2.02, 2.02)).toContain('so ≤ 2 % stands')
    expect(gapOf(1000, 2.02)).toContain('gaps 1.00 %, so ≤ 2 % is not shown')
    expect(gapOf(300, 2.02)).toContain('rate 0.01 of 3 tried, of dense 0.01 of 3 tried')
  })
  test('a step over a link is computing, coding and what is received', () => {
    const over = linkRows([
      { name: 'x', method, workers: 4, steps: 100, dense: tuned(2), own: tuned(2), untrained: 5 },
    ])
    expect(over.map(({ name }) => name)).toEqual(
      ['100 Mb/s', '1 Gb/s', '10 Gb/s'].map((rate) => `x: a step over ${rate}`),
    )
    const link = LINKS['100 Mb/s']
    // 0.1 s of a step, 2 s of coding and 3 MB in 100 steps; two messages one after the other
    expect(over[0].ours).toBeCloseTo(
      1000 * (0.1 + 0.02 + 3e4 / link.bytesPerSecond + 2 * link.latencySeconds),
      9,
    )
    expect(over[0].peer).toBeCloseTo(1000 * (0.1 + sumSeconds(4, 1e5, link)), 9)
    expect(over[0].note).toContain(`a ring of f32 ${(1000 * (0.1 + sumSeconds(4, 2e5, link))).toFixed(1)}`)
  })
  test('bytes are those that were sent, and received beside a ring', () => {
    expect(rows[1]).toMatchObject({ ratio: 20, floor: 19.5, better: 'higher' })
    // A ring receives 2 · 3/4 of 20 MB.
    expect(rows[2].ratio).toBeCloseTo(10, 9)
    expect(rows[2].note).toContain('5.0 × fewer than a ring of bf16; in two hops 20.0 × ')
    // 15 − 3 MB less in 2 s
    expect(rows[2].note).toContain('(20.0 ms a step) below 48 Mb/s')
  })
  test('what receives more than bf16 is never worth it', () => {
    const [, , received] = compressionRows([
      {
        name: 'x',
        method,
        workers: 8,
        steps: 100,
        dense: tuned(2),
        own: { ...tuned(2), outcomes: [{ ...outcome(2), receivedBytes: 3e7 }] },
        untrained: 5,
      },
    ])
    expect(received.note).toContain('never worth it')
  })
})

test('of gradients in one vector less comes back than of each by itself in as many bytes', () => {
  const rows = bundlingRows()
  expect(rows[0].ours).toBeCloseTo(rows[0].peer ?? 0, 2)
  expect(rows.slice(1).every(({ ratio }) => (ratio ?? 1) < 0.8)).toBe(true)
})

describe('runs of the benchmark', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tritune-compression-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('are made once, listed, and found again by another benchmark', () => {
    const asked: AskedRun = {
      method: METHODS[0],
      workers: 2,
      sharding: 'iid',
      steps: 2,
      learningRate: 4e-3,
      seed: 1,
    }
    const told: string[] = []
    const context = { threads: 1, cache: folder, progress: (text: string) => void told.push(text) }
    const first = openRunner(context, MODEL, ALL)
    const outcome = first.run(asked)
    expect(first.run(asked)).toBe(outcome)
    expect(told).toHaveLength(1)
    const again = openRunner(context, MODEL, ALL)
    expect(again.run(asked)).toEqual(outcome)
    expect(told[1]).toContain('(kept)')
    expect(again.rows()).toMatchObject([
      { name: 'run of 2 workers, iid, int8 each step, 2 steps, rate 0.004, seed 1', ours: outcome.reported },
    ])
  })
})

test.each([
  [['links', '--cache', 'x'], '--cache is for compression and predictive'],
  [['links', '--seeds', '2'], '--seeds and --tries are for compression'],
  [['links', '--trace', 'x'], '--trace is for distributed'],
  [['compression', '--seeds', '0'], '--seeds: expected a whole number from 1'],
  [['compression', '--quick', '--only', '3 workers'], 'nothing has "3 workers" in its name'],
])('bench %p is refused', (args, message) => {
  const { stderr, code } = tritune(['bench', ...args])
  expect(stderr).toContain(message)
  expect(code).toBe(2)
})
