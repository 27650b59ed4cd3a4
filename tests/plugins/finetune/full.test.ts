/**
 * Training all weights (adapter: none), and what a run says about itself before it starts.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { countLiveTensors } from '../../../core/mod.ts'
import { estimateRun, prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { logitsOf, readFloats, relativeError } from '../../_golden.ts'
import { emptyPool } from '../../_memory.ts'
import { type Changes, cpu, fileBytes, workspace } from './_run.ts'

const PROBE = { ids: Int32Array.from([5, 9, 42, 7, 300, 11]), rows: 1, length: 6 }

test('adapter: none trains every weight and leaves a model folder that loads', async () => {
  using space = workspace()
  const { losses, outputDir } = await space.train({ adapter: 'none', max_steps: 12, learning_rate: 1e-2 })
  expect(losses.slice(-3).every((loss) => loss < 0.7 * losses[0])).toBe(true)
  const before = openCheckpoint(join(space.path, 'model'))
  const after = openCheckpoint(outputDir)
  expect([...after.entries.keys()]).toEqual([...before.entries.keys()])
  for (const name of before.entries.keys())
    expect(relativeError(readFloats(after, name), readFloats(before, name)), name).toBeGreaterThan(1e-4)
  using base = loadModel(join(space.path, 'model'), { device: cpu })
  using trained = loadModel(outputDir, { device: cpu })
  expect(relativeError(logitsOf(trained, PROBE), logitsOf(base, PROBE))).toBeGreaterThan(1e-2)
  expect(loadTokenizer(outputDir).encode('1 2 3')).toEqual(
    loadTokenizer(join(space.path, 'model')).encode('1 2 3'),
  )
})

test('training does not write to the files of the base model', async () => {
  using space = workspace()
  const weights = (): Buffer => fileBytes(space.path, 'model/model.safetensors')
  const before = weights()
  await space.train({ adapter: 'none', max_steps: 2 })
  await space.train({ max_steps: 2 })
  expect(weights().equals(before)).toBe(true)
})

test('a run gives back all tensors and all memory of the device', async () => {
  using space = workspace()
  const [tensors, live] = [countLiveTensors(), cpu.memory().live]
  await space.train({ max_steps: 2, val_set_size: 2, lora_dropout: 0.1, gradient_checkpointing: true })
  await space.train({ max_steps: 2, adapter: 'none', bf16: true })
  expect(countLiveTensors()).toBe(tensors)
  expect(cpu.memory().live).toBe(live)
})

test('steps do not gather memory', async () => {
  using space = workspace()
  using run = await prepareRun(space.config({ max_steps: 12, num_epochs: 4 }), { device: cpu })
  const live: number[] = []
  await train(run, { onEvent: (event) => event.type === 'step' && live.push(cpu.memory().live) })
  expect(live).toHaveLength(12)
  expect(live.at(-1)).toBe(live[1])
})

test('the estimate grows with what costs memory and time', async () => {
  using space = workspace({ num_hidden_layers: 4, hidden_size: 64, intermediate_size: 128 })
  const memory = async (changes: Changes): Promise<number> => {
    using run = await prepareRun(space.config(changes), { device: cpu })
    const estimate = estimateRun(run)
    expect(estimate.seconds).toBeGreaterThan(0)
    return estimate.memory
  }
  const plain = await memory({})
  const base = openCheckpoint(join(space.path, 'model')).bytes
  expect(plain).toBeGreaterThan(base)
  expect(await memory({ adapter: 'none' })).toBeGreaterThan(base * 4)
  expect(await memory({ sample_packing: true, micro_batch_size: 4 })).toBeGreaterThan(plain)
  const packed = { sample_packing: true, sequence_len: 128 }
  expect(await memory({ ...packed, gradient_checkpointing: true })).toBeLessThan(await memory(packed))
})

test('the memory of a run is near its estimate', async () => {
  using space = workspace({ num_hidden_layers: 4, hidden_size: 64, intermediate_size: 192 })
  for (const changes of [{ micro_batch_size: 8 }, { adapter: 'none', micro_batch_size: 4 }]) {
    using run = await prepareRun(space.config({ max_steps: 2, ...changes }), { device: cpu })
    const { parts } = estimateRun(run)
    const memory = parts.model + parts.adapter + parts.gradients + parts.optimizer + parts.activations
    emptyPool()
    cpu.resetPeak()
    await train(run)
    expect(cpu.memory().peak / memory).toBeGreaterThan(1 / 3)
    expect(cpu.memory().peak / memory).toBeLessThan(3)
  }
})

test('summarize() tells a DoRA from a LoRA', async () => {
  using space = workspace()
  using run = await prepareRun(space.config({ peft_use_dora: true }), { device: cpu })
  expect(summarize(run).join('\n')).toMatch(/adapter +dora r 4 alpha 8: /)
})

test('summarize() tells model, adapter, targets, data, steps and estimate', async () => {
  using space = workspace()
  using run = await prepareRun(space.config({ val_set_size: 2, sample_packing: true }), { device: cpu })
  const text = summarize(run).join('\n')
  expect(text).toContain('(llama, 29.1 k parameters, f32)')
  expect(text).toMatch(/device +cpu \(\w+, \d+ threads\)$/m)
  expect(text).toMatch(/adapter +lora r 4 alpha 8: \d+(\.\d+)? ?k? ?trainable \(\d+\.\d\d % of/)
  expect(text).toContain('all-linear ×14')
  expect(text).toMatch(/data +10 examples, \d+ tokens, \d+ trained; validation 2/)
  expect(text).toMatch(/steps +6 \(.* epochs of \d+\), micro-batch 2 × 2, sequence 64, packed, warm-up 1/)
  expect(text).toMatch(
    /estimate +[\d.]+ [KM]iB of memory \(program .*, model .*, adapter, .*\), [\d.]+ (ms|s|min)/,
  )
})
