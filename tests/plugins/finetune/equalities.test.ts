/**
 * Settings that change how a step is computed must not change what it computes.
 */
import { expect, test } from 'bun:test'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { join } from 'node:path'
import { absoluteError, readFloats, relativeError } from '../../_golden.ts'
import { type Changes, fileBytes, type Trained, workspace } from './_run.ts'

/** Largest difference of a weight of two saved adapters, relative to the largest weight. */
function adapterError(a: Trained, b: Trained): number {
  const [first, second] = [a, b].map(({ outputDir }) =>
    openCheckpoint(join(outputDir, 'adapter_model.safetensors')),
  )
  const errors = [...first.entries.keys()].map((name) =>
    relativeError(readFloats(first, name), readFloats(second, name)),
  )
  return Math.max(...errors)
}

test.each([0, 0.2])('4 × 1 and 1 × 4 micro-batches give the same step (dropout %p)', async (lora_dropout) => {
  using space = workspace()
  const common = { lora_dropout, max_steps: 1, warmup_steps: 0 }
  const one = await space.train({
    ...common,
    micro_batch_size: 4,
    gradient_accumulation_steps: 1,
    output_dir: join(space.path, 'one'),
  })
  const four = await space.train({
    ...common,
    micro_batch_size: 1,
    gradient_accumulation_steps: 4,
    output_dir: join(space.path, 'four'),
  })
  expect(absoluteError(four.losses, one.losses)).toBeLessThanOrEqual(1e-6)
  const gradNorms = [one, four].map(({ events }) => {
    const first = events.find(({ type }) => type === 'step')
    return first?.type === 'step' ? first.report.gradNorm : Number.NaN
  })
  expect(Math.abs(gradNorms[0] / gradNorms[1] - 1)).toBeLessThanOrEqual(1e-6)
})

test('4 × 1 and 1 × 4 micro-batches stay together for a whole run', async () => {
  using space = workspace()
  const one = await space.train({ micro_batch_size: 4, gradient_accumulation_steps: 1, lora_dropout: 0.1 })
  const four = await space.train({
    micro_batch_size: 1,
    gradient_accumulation_steps: 4,
    lora_dropout: 0.1,
    output_dir: join(space.path, 'four'),
  })
  expect(absoluteError(four.losses, one.losses)).toBeLessThanOrEqual(1e-4)
  expect(adapterError(four, one)).toBeLessThanOrEqual(1e-2)
})

test.each([
  ['LoRA', {}],
  ['LoRA with dropout', { lora_dropout: 0.3 }],
  ['packed rows', { sample_packing: true }],
  ['all weights', { adapter: 'none' }],
])('gradient checkpointing changes no bit: %s', async (_, changes) => {
  using space = workspace()
  const plain = await space.train({ ...changes, output_dir: join(space.path, 'plain') })
  const saved = await space.train({
    ...changes,
    gradient_checkpointing: true,
    output_dir: join(space.path, 'checkpointed'),
  })
  expect(saved.losses).toEqual(plain.losses)
  const file = 'adapter' in changes ? 'model.safetensors' : 'adapter_model.safetensors'
  expect(fileBytes(saved.outputDir, file).equals(fileBytes(plain.outputDir, file))).toBe(true)
})

test('dropout does something, and another seed does something else', async () => {
  using space = workspace()
  const losses = async (changes: Changes): Promise<readonly number[]> => (await space.train(changes)).losses
  const without = await losses({})
  const dropped = await losses({ lora_dropout: 0.4 })
  expect(dropped.slice(2)).not.toEqual(without.slice(2))
  expect(await losses({ lora_dropout: 0.4 })).toEqual(dropped)
  expect(await losses({ lora_dropout: 0.4, seed: 12 })).not.toEqual(dropped)
})

test('packing trains every token once per epoch, as without', async () => {
  using space = workspace()
  const tokens = async (changes: Changes): Promise<number> => {
    const { events } = await space.train({ ...changes, max_steps: undefined, num_epochs: 1 })
    return events.reduce((sum, e) => sum + (e.type === 'step' ? e.report.trainedTokens : 0), 0)
  }
  expect(await tokens({ sample_packing: true })).toBe(await tokens({}))
})

test('a run in bf16 has the losses of f32 within 1 %', async () => {
  using space = workspace()
  const full = await space.train({ max_steps: 12 })
  const half = await space.train({ max_steps: 12, bf16: true, output_dir: join(space.path, 'bf16') })
  for (const [i, loss] of full.losses.entries())
    expect(Math.abs(half.losses[i] / loss - 1)).toBeLessThanOrEqual(0.01)
  expect(half.losses).not.toEqual(full.losses)
  expect(full.losses[11]).toBeLessThan(full.losses[0])
})
