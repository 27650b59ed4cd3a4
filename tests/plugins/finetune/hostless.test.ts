/**
 * Runs on a device whose memory the host cannot look into give what runs on the CPU give, and wait for it once a step.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RunEvent } from '../../../core/mod.ts'
import { prepareRun, train, trainStep } from '../../../plugins/finetune/mod.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { type Device, TrituneError } from '../../../core/mod.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { cpu, type Changes, fileBytes, metricsOf, type Workspace, workspace } from './_run.ts'

async function refusal(run: () => Promise<unknown>): Promise<TrituneError> {
  const error: unknown = await run().catch((caught: unknown) => caught)
  if (error instanceof TrituneError) return error
  throw new Error(`expected an error, got ${String(error)}`)
}

async function runOn(
  device: Device,
  space: Workspace,
  changes: Changes,
): Promise<{ losses: number[]; folder: string }> {
  const folder = join(space.path, device.name)
  using run = await prepareRun(space.config({ ...changes, output_dir: folder }), { device })
  const events: RunEvent[] = []
  await train(run, { onEvent: (event) => events.push(event) })
  return {
    losses: events.flatMap((event) => (event.type === 'step' ? [event.report.loss] : [])),
    folder,
  }
}

describe('without a host view', () => {
  test.each([
    ['LoRA with dropout and accumulation', { lora_dropout: 0.1 }],
    ['LoRA in bf16 with checkpointing', { bf16: true, gradient_checkpointing: true }],
    ['all weights, 8-bit AdamW', { adapter: 'none', bf16: true, optimizer: 'adamw_8bit' }],
    ['all weights', { adapter: 'none', val_set_size: 2, eval_steps: 3 }],
  ] as const)('%s: losses and files of the CPU, to the bit', async (_, changes) => {
    using space = workspace()
    const here = await runOn(cpu, space, changes)
    const there = await runOn(createHostlessDevice(cpu), space, changes)
    expect(there.losses).toEqual(here.losses)
    const names = readdirSync(here.folder).filter((name) => name.endsWith('.safetensors'))
    expect(names).toHaveLength(1)
    for (const name of names)
      expect(fileBytes(there.folder, name).equals(fileBytes(here.folder, name))).toBe(true)
  })

  test('checkpoints resume to the same bits', async () => {
    using space = workspace()
    const device = createHostlessDevice(cpu)
    const whole = space.config({ output_dir: join(space.path, 'whole'), bf16: true, lora_dropout: 0.1 })
    const parts = space.config({
      output_dir: join(space.path, 'parts'),
      bf16: true,
      lora_dropout: 0.1,
      save_strategy: undefined,
      save_steps: 3,
    })
    {
      using run = await prepareRun(whole, { device })
      await train(run)
    }
    const stop = new AbortController()
    {
      using run = await prepareRun(parts, { device })
      await train(run, {
        signal: stop.signal,
        onEvent: (event) => event.type === 'save' && stop.abort(),
      })
    }
    using run = await prepareRun(parts, { device })
    await train(run, { resume: 'newest' })
    const file = 'adapter_model.safetensors'
    expect(fileBytes(parts.output_dir, file).equals(fileBytes(whole.output_dir, file))).toBe(true)
    expect(metricsOf(parts.output_dir)).toHaveLength(6)
  })

  test('the metrics tell the memory of the device', async () => {
    using space = workspace()
    const { folder } = await runOn(createHostlessDevice(cpu), space, { max_steps: 2 })
    for (const line of metricsOf(folder))
      expect(line).toMatchObject({
        memory_used: expect.any(Number),
        memory_pooled: expect.any(Number),
        memory_peak: expect.any(Number),
      })
  })

  test('a step waits for the device once, however many micro-batches it has, and takes no new memory', async () => {
    using space = workspace()
    const device = createHostlessDevice(cpu)
    for (const accumulation of [1, 4]) {
      const config = space.config({ gradient_accumulation_steps: accumulation, micro_batch_size: 1 })
      using run = await prepareRun(config, { device })
      const context = { ...run, checkpointing: false, seed: 1 }
      const batches = run.plan.batches(0)
      const window = Array.from({ length: accumulation }, (_, i) => batches.get(i))
      trainStep(context, window, { step: 0, learningRate: 1e-3 })
      for (let step = 1; step < 5; step++) {
        const before = [device.waits, device.memory().growth]
        trainStep(context, window, { step, learningRate: 1e-3 })
        expect([device.waits - before[0], device.memory().growth - before[1]]).toEqual([1, 0])
      }
    }
  })

  test('no memory left: one error with the plan and what helps, and nothing half-written', async () => {
    using space = workspace({ hidden_size: 64, intermediate_size: 128 })
    const config = space.config({ micro_batch_size: 4, save_strategy: undefined, save_steps: 1 })
    const error = await refusal(async () => {
      using run = await prepareRun(config, { device: createHostlessDevice(cpu, { limit: 900_000 }) })
      await train(run)
    })
    expect(error.code).toBe('E_MEMORY')
    expect(error.message).toMatch(
      /^hostless has no memory left in the first step: no \d+ bytes on the GPU\n {2}model +\d+ KiB {2}llama, f32\n {2}adapter +[\d.]+ KiB {2}lora\n {2}gradients .*\n {2}optimizer .*\n {2}activations .* about, of 4 × 64 tokens\n {2}in use .*\n {2}→ set one of these, in this order: gradient_checkpointing: true; micro_batch_size: 2 with gradient_accumulation_steps: 4/,
    )
    const left = existsSync(config.output_dir) ? readdirSync(config.output_dir) : []
    expect(left.toSorted()).toEqual(['events.jsonl', 'metrics.jsonl', 'run.json'])
  })

  test('no memory for the model: it says so before anything is written', async () => {
    using space = workspace()
    const config = space.config()
    const error = await refusal(async () => {
      using _run = await prepareRun(config, { device: createHostlessDevice(cpu, { limit: 90_000 }) })
    })
    expect(error.code).toBe('E_MEMORY')
    expect(error.message).toContain('the model does not fit: no ')
    expect(error.remedy).toContain('device: cpu')
    expect(existsSync(config.output_dir)).toBe(false)
  })

  test('a NaN is found and named', async () => {
    using space = workspace()
    using run = await prepareRun(space.config(), { device: createHostlessDevice(cpu) })
    const [name, weight] = [...run.parameters].at(-1) ?? []
    weight?.set(new Float32Array(weight.size).fill(Number.NaN))
    await expect(train(run)).rejects.toThrow(`first in the weight ${name}`)
  })

  test('generation gives the tokens of the CPU and waits once for each', async () => {
    using space = workspace()
    const { folder } = await runOn(cpu, space, {})
    const device = createHostlessDevice(cpu)
    const tokensOn = (on: Device): number[] => {
      using model = loadModel(join(space.path, 'model'), { device: on })
      using _adapter = loadAdapter(model, folder)
      const before = device.waits
      const made = [...generate(model, [5, 6, 7], { maxNewTokens: 8, repetitionPenalty: 1.2 })]
      expect(device.waits - before).toBe(on === cpu ? 0 : 8)
      return made
    }
    expect(tokensOn(device)).toEqual(tokensOn(cpu))
  })
})
