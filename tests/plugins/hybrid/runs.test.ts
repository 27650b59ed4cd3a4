/**
 * Whole runs with `strategy: hybrid`: without guesses, with refused ones, with kept ones, and interrupted.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { listCheckpoints, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { snapshot } from '../../../testing/compare.ts'
import { type Changes, cpu, fileBytes, type Trained, workspace, type Workspace } from '../finetune/_run.ts'

const STEPS = 24
const RUN = {
  max_steps: STEPS,
  learning_rate: 3e-4,
  lora_dropout: 0.1,
  save_strategy: 'steps',
  save_steps: 12,
}
const EAGER = { name: 'hybrid', warmup: 4, every: 1, exploration: 1 }

async function trained(space: Workspace, name: string, strategy?: Changes): Promise<Trained> {
  const changes = { ...RUN, output_dir: join(space.path, name), ...(strategy ? { strategy } : {}) }
  return await space.train(changes)
}

function metric({ events }: Trained, name: string): number[] {
  return events.flatMap((event) =>
    event.type === 'step' ? [event.report.metrics[name]].filter(Number.isFinite) : [],
  )
}

/** Weights and moments of the checkpoint at the end. */
function expectSame(one: Trained, other: Trained): void {
  expect(one.losses).toEqual(other.losses)
  for (const { outputDir } of [one, other]) expect(listCheckpoints(outputDir).length).toBeGreaterThan(0)
  const file = 'adapter_model.safetensors'
  expect(fileBytes(one.outputDir, file).equals(fileBytes(other.outputDir, file))).toBe(true)
}

test('arm: none is plain training to the bit', async () => {
  using space = workspace()
  const plain = await trained(space, 'plain')
  expectSame(await trained(space, 'none', { name: 'hybrid', arm: 'none' }), plain)
})

test('with guesses that are all refused it is plain training to the bit', async () => {
  using space = workspace()
  const plain = await trained(space, 'plain')
  const refused = await trained(space, 'refused', { ...EAGER, confidence: 1e9 })
  expect(metric(refused, 'hybrid_accepted').length).toBeGreaterThan(10)
  expect(Math.max(...metric(refused, 'hybrid_accepted'))).toBe(0)
  expectSame(refused, plain)
})

test('a refused guess leaves the moments as they were', async () => {
  using space = workspace()
  const states = []
  for (const strategy of [[], { ...EAGER, confidence: 1e9 }]) {
    using run = await prepareRun(
      space.config({ ...RUN, output_dir: join(space.path, `${states.length}`), strategy }),
      {
        device: cpu,
      },
    )
    await train(run)
    states.push(snapshot(new Map([...run.parameters, ...run.optimizer.tensors()])))
  }
  expect(states[1]).toEqual(states[0])
})

describe('with guesses that are kept', () => {
  const KEEPING = { ...EAGER, confidence: 0 }

  test('at a rate that is too low the loss is lower than without', async () => {
    using space = workspace()
    const plain = await trained(space, 'plain')
    const hybrid = await trained(space, 'hybrid', KEEPING)
    expect(metric(hybrid, 'hybrid_accepted').filter((kept) => kept === 1).length).toBeGreaterThan(1)
    expect(hybrid.losses.at(-1)).toBeLessThan(plain.losses.at(-1) ?? 0)
  })

  test('interrupted is as uninterrupted, at any step', async () => {
    using space = workspace()
    const whole = await trained(space, 'whole', KEEPING)
    for (const at of [3, 9, 10, 11, 13]) {
      const changes = { ...RUN, output_dir: join(space.path, `cut ${at}`), strategy: KEEPING }
      const config = space.config(changes)
      {
        using run = await prepareRun(config, { device: cpu })
        const stop = new AbortController()
        await train(run, {
          signal: stop.signal,
          onEvent: (event) => event.type === 'step' && event.report.step === at && stop.abort(),
        })
      }
      const rest = await space.train(changes, { resume: 'newest' })
      expect(rest.losses).toEqual(whole.losses.slice(at))
      const file = 'adapter_model.safetensors'
      expect(fileBytes(config.output_dir, file).equals(fileBytes(whole.outputDir, file))).toBe(true)
    }
  })
})

test('a step of one example is refused when the first guess is to be measured', async () => {
  using space = workspace()
  const alone = { micro_batch_size: 1, gradient_accumulation_steps: 1, strategy: EAGER, max_steps: 12 }
  await expect(space.train(alone)).rejects.toThrow('compares the examples of a step, and there is one')
})

test('weights that are not f32 are refused', async () => {
  using space = workspace()
  for (const strategy of [EAGER, { name: 'hybrid', arm: 'none' }]) {
    const whole = { adapter: 'none', bf16: true, strategy }
    await expect(space.train(whole)).rejects.toThrow('moves weights in f32')
  }
})
