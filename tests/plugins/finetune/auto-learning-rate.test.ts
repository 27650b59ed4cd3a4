/**
 * `learning_rate: auto` in a run: what is found is a number as in the file, nothing else is left of the search, and a run that goes on keeps it.
 */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Capabilities,
  defineOptions,
  definePlugin,
  mul,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { createBranches } from '../../../plugins/finetune/autotune/branches.ts'
import { chooseMicroBatch } from '../../../plugins/autotune/mod.ts'
import { openRun } from '../../../plugins/finetune/open-run.ts'
import { measureMicroBatch } from '../../../plugins/finetune/autotune/measure-micro-batch.ts'
import { probeOf } from '../../../plugins/finetune/autotune/probe.ts'
import { crossEntropyObjective } from '../../../plugins/finetune/training/cross-entropy.ts'
import { runState } from '../../../plugins/finetune/checkpoints/run-state.ts'
import { checkRun, prepareRun, type Run, train } from '../../../plugins/finetune/mod.ts'
import { snapshot } from '../../../testing/compare.ts'
import { type Changes, cpu, workspace, type Workspace } from './_run.ts'

const AUTO = {
  learning_rate: 'auto',
  max_steps: 180,
  micro_batch_size: 4,
  gradient_accumulation_steps: 4,
} as const

function manyTexts(space: Workspace, count = 112): Changes {
  const path = join(space.path, 'many.jsonl')
  const text = (i: number): string =>
    Array.from({ length: 6 + (i % 5) }, (_, k) => (i * 7 + 3 * k) % 10).join(' ')
  writeFileSync(path, Array.from({ length: count }, (_, i) => JSON.stringify({ text: text(i) })).join('\n'))
  return { ...AUTO, datasets: [{ path, type: 'completion' }] }
}

function bytesOf(run: Run): Map<string, Uint8Array> {
  const all = new Map<string, Tensor>([...run.parameters, ...runState(run).tensors()])
  return snapshot(all)
}

async function refusal(work: () => Promise<unknown>): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

test('what is found is a run as if the file had said the number', async () => {
  using space = workspace()
  const changes = manyTexts(space)
  using found = await prepareRun(space.config(changes), { device: cpu })
  const { learning_rate: rate, tunedRate, notes } = found.config
  expect(tunedRate?.rate).toBe(rate)
  expect(tunedRate?.trials.length).toBe(8)
  expect(tunedRate?.share).toBeLessThanOrEqual(0.15)
  expect(notes.filter((note) => note.startsWith(`learning_rate: auto is ${rate}: 0.0000625 →`)).length).toBe(
    1,
  )
  using given = await prepareRun(space.config({ ...changes, learning_rate: rate }), { device: cpu })
  expect(bytesOf(found)).toEqual(bytesOf(given))
  for (const step of [0, 7, 100]) expect(found.plan.learningRate(step)).toBe(given.plan.learningRate(step))
  // A rate that is a tenth of it learns less in as many steps.
  const losses = (tunedRate?.trials ?? []).flatMap(({ loss, steps }) =>
    loss === null || steps > 2 ? [] : [loss],
  )
  expect(Math.min(...losses)).toBeLessThan(losses[0])
})

test('a run that goes on does not search again; one that starts anew does', async () => {
  using space = workspace()
  const changes = manyTexts(space)
  const config = space.config(changes)
  let rate: number
  {
    using run = await prepareRun(config, { device: cpu })
    rate = run.config.learning_rate
    const stop = new AbortController()
    await train(run, { signal: stop.signal, onEvent: ({ type }) => type === 'step' && stop.abort() })
  }
  using again = await prepareRun(config, { device: cpu })
  expect(again.config.learning_rate).toBe(rate)
  expect(again.config.tunedRate).toBe(null)
  expect(again.config.notes).toContain(`learning_rate: auto is ${rate}: as in the checkpoint of output_dir`)
  const stop = new AbortController()
  const { steps } = await train(again, {
    resume: 'newest',
    signal: stop.signal,
    onEvent: ({ type }) => type === 'step' && stop.abort(),
  })
  expect(steps).toBe(2)
  using anew = await prepareRun(config, { device: cpu, startsAnew: true })
  expect(anew.config.tunedRate?.trials.length).toBe(8)
  using looked = await prepareRun(config, { device: cpu, startsAnew: true, isTrial: true })
  expect(looked.config.autoLearningRate).toBe(true)
})

test('a branch leaves weights and state as they were, also one that diverges', async () => {
  using space = workspace()
  using run = await prepareRun(space.config({ ...manyTexts(space), learning_rate: 1e-3 }), { device: cpu })
  const before = bytesOf(run)
  const { branch, start, steps } = createBranches(run, probeOf(run, 3))
  const first = await branch(1e-2, 3)
  expect(first).toBeLessThan(start)
  expect(bytesOf(run)).toEqual(before)
  expect(await branch(1e30, 3)).toBe(null)
  expect(bytesOf(run)).toEqual(before)
  expect(await branch(1e-2, 3)).toBe(first)
  expect(steps()).toBeGreaterThanOrEqual(7)
})

describe('with micro_batch_size: auto', () => {
  test('sizes are measured, and as many documents make a step', async () => {
    using space = workspace()
    const changes = {
      ...manyTexts(space),
      max_steps: 260,
      micro_batch_size: 'auto',
      gradient_accumulation_steps: 16,
    }
    using run = await prepareRun(space.config(changes), { device: cpu })
    const { micro_batch_size: size, gradient_accumulation_steps: steps, notes, tunedRate } = run.config
    expect(size * steps).toBe(16)
    const told = notes.filter((note) => note.startsWith('micro_batch_size: auto is'))
    expect(told.length).toBe(1)
    expect(told[0]).toMatch(
      /by speed: 16 → \d+ tokens\/s, 8 → \d+ tokens\/s, 4 → \d+ tokens\/s, 2 → \d+ tokens\/s/,
    )
    expect(told[0]).toContain('noise scale')
    expect(tunedRate?.share).toBeLessThanOrEqual(0.15)
  })

  test('and gradient_accumulation_steps: auto, a size is the batch, and β₂ is for it; a run that goes on keeps both', async () => {
    using space = workspace()
    const changes = {
      ...manyTexts(space),
      max_steps: 400,
      val_set_size: 0.2,
      micro_batch_size: 'auto',
      gradient_accumulation_steps: 'auto',
      batch_size: 8,
      adam_beta2: 0.95,
    }
    const config = space.config(changes)
    using run = await prepareRun(config, { device: cpu })
    const { micro_batch_size: size, gradient_accumulation_steps: accumulated, notes, adam_beta2 } = run.config
    expect(accumulated).toBe(1)
    expect(adam_beta2).toBeCloseTo(0.95 ** (size / 8), 12)
    expect(
      notes.filter((note) => note.startsWith(`micro_batch_size: auto is ${size} × 1, by speed`)).length,
    ).toBe(1)
    expect(run.config.tunedRate?.share).toBeLessThanOrEqual(0.15)
    const stop = new AbortController()
    await train(run, { signal: stop.signal, onEvent: ({ type }) => type === 'step' && stop.abort() })
    using again = await prepareRun(config, { device: cpu })
    expect(again.config).toMatchObject({
      micro_batch_size: size,
      gradient_accumulation_steps: 1,
      adam_beta2,
      tunedRate: null,
    })
  })

  test('and gradient_accumulation_steps: auto, the clock and the noise decide', async () => {
    using space = workspace()
    const changes = {
      ...manyTexts(space),
      learning_rate: 'auto',
      micro_batch_size: 'auto',
      gradient_accumulation_steps: 'auto',
      batch_size: 8,
    }
    // As the memory leaves it: all 8 at once.
    const config = {
      ...space.config(changes),
      autoLearningRate: false,
      micro_batch_size: 8,
      gradient_accumulation_steps: 1,
    }
    using run = await openRun(config, { device: cpu })
    // Begin and end of the same 8 documents as 1, 2, 4 and 8 steps: 2 of 4 take little longer.
    const times = [0, 100, 100, 205, 300, 500, 600, 1000]
    const measured = measureMicroBatch(run, () => times.shift() ?? Number.NaN)
    expect(measured.speeds.map(({ size }) => size)).toEqual([8, 4, 2, 1])
    const [eight, four] = measured.speeds.map(({ tokensPerSecond }) => tokensPerSecond)
    expect(four / eight).toBeCloseTo(100 / 105, 9)
    expect(measured.size).toBe(chooseMicroBatch(measured.speeds, { noise: measured.noise }))
  })

  test('the clock decides, and the run stays as it was', async () => {
    using space = workspace()
    const changes = {
      ...manyTexts(space),
      learning_rate: 1e-3,
      micro_batch_size: 8,
      gradient_accumulation_steps: 2,
    }
    using run = await prepareRun(space.config(changes), { device: cpu })
    const before = bytesOf(run)
    // Begin and end of 8, 4, 2 and 1 documents: 8 and 4 are alike, the others slower.
    const times = [0, 100, 100, 205, 300, 500, 600, 1000]
    const { size, speeds, noise, steps } = measureMicroBatch(run, () => times.shift() ?? Number.NaN)
    expect(size).toBe(4)
    expect(speeds.map(({ size: one }) => one)).toEqual([8, 4, 2, 1])
    expect(noise).toBeGreaterThan(0)
    expect(steps).toBeGreaterThan(8)
    expect(bytesOf(run)).toEqual(before)
  })
})

describe('what it is judged by', () => {
  test('is not what the branches are trained on', async () => {
    using space = workspace()
    using run = await prepareRun(space.config({ ...manyTexts(space), learning_rate: 1e-3 }), { device: cpu })
    const { batches, windows } = probeOf(run, 6)
    const epoch = run.plan.batches(0)
    const seen = epoch.windows
      .slice(0, 6)
      .flatMap(({ start, end }) => [...Array(end - start).keys()].map((i) => start + i))
    const trained = new Set(seen.flatMap((i) => epoch.get(i).examples))
    expect(windows).toBe(1)
    expect(batches.flatMap(({ examples }) => examples).filter((example) => trained.has(example))).toEqual([])
  })

  test('is the validation set where an epoch is over before', async () => {
    using space = workspace()
    const changes = { ...manyTexts(space), learning_rate: 1e-3, val_set_size: 0.2 }
    using run = await prepareRun(space.config(changes), { device: cpu })
    const { batches } = probeOf(run, 100)
    const held = new Set(run.data.validation)
    expect(batches.flatMap(({ examples }) => examples).every((example) => held.has(example))).toBe(true)
  })

  test('is missed where there is neither', async () => {
    using space = workspace()
    const error = await refusal(() =>
      prepareRun(space.config({ ...manyTexts(space, 40), max_steps: 210 }), { device: cpu }),
    )
    expect(error.message).toContain('nothing is left to judge learning rates by')
    expect(error.message).toContain('learning_rate')
  })
})

describe('refused', () => {
  test('a run that diverges at every rate', async () => {
    using space = workspace()
    const lost: Capabilities['objective'] = {
      name: 'lost',
      options: defineOptions({}),
      create: () => ({
        name: 'lost',
        loss: (model, batch, options) => {
          const { loss } = crossEntropyObjective.loss(model, batch, options)
          return { loss: options.training ? mul(loss, 100) : loss }
        },
      }),
    }
    const plugin = definePlugin({ name: 'lost', provides: { objective: { lost } } })
    const config = space.config({ ...manyTexts(space), objective: 'lost' })
    const error = await refusal(() => prepareRun(config, { device: cpu, plugins: [plugin] }))
    expect(`${error.code} ${error.message}`).toStartWith('E_NAN')
    expect(error.message).toContain('every learning rate diverges')
  })

  test('a run that is too short', async () => {
    using space = workspace()
    const error = await refusal(() => prepareRun(space.config({ learning_rate: 'auto' }), { device: cpu }))
    expect(error.message).toContain('it needs a run of')
    // Before there are weights: `tritune validate` says it too.
    const checked = await refusal(() => checkRun(space.config({ learning_rate: 'auto' }), { device: cpu }))
    expect(checked.message).toBe(error.message)
  })

  test.each([
    [{ embedding_lr: 1e-4 }, 'embedding_lr'],
    [{ lr_groups: [{ name: 'a', modules: ['q_proj'], lr: 1e-4 }] }, 'lr_groups'],
    [{ learning_rate: 'fast' }, 'expected a number above 0, or auto'],
    [{ gradient_accumulation_steps: 'auto' }, 'auto needs micro_batch_size: auto, and batch_size'],
    [{ gradient_accumulation_steps: 'some' }, 'expected an integer ≥ 1, or auto'],
  ])('%o', (changes, told) => {
    using space = workspace()
    expect(() => space.config({ learning_rate: 'auto', ...changes })).toThrow(told)
  })
})
