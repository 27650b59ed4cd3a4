/**
 * Every model family against what transformers computes: logits, loss, gradients, older configs, bf16.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { countLiveTensors, referenceDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  loadWithConfig,
  logitsOf,
  measureModel,
  MODEL_CASES,
  openGoldenModel,
  relativeRms,
  sameBytes,
} from '../../_golden.ts'

const cpu = openCpu()

test.each([...MODEL_CASES])('%s on the CPU equals transformers', (name) => {
  const errors = measureModel(name, cpu)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.loss).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-4)
  expect(errors.checkpointingEqual).toBe(true)
})

test.each([
  'bitnet',
  'cohere2',
  'gemma2',
  'gpt2',
  'llama',
  'phi3-longrope',
  'qwen2-sliding',
  'qwen3',
  'stablelm-parallel',
])('%s on the reference device equals transformers', (name) => {
  const errors = measureModel(name, referenceDevice)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-4)
  expect(errors.checkpointingEqual).toBe(true)
})

test.each(MODEL_CASES.filter((name) => name !== 'gpt2' && name !== 'gemma3-images'))(
  '%s reads an older config.json alike',
  (name) => {
    const { folder, sequences } = openGoldenModel(name)
    using model = loadModel(folder, { device: cpu })
    const legacy = JSON.parse(readFileSync(join(folder, 'config.legacy.json'), 'utf8'))
    using older = loadWithConfig(folder, legacy, cpu)
    expect(sameBytes(logitsOf(older, sequences), logitsOf(model, sequences))).toBe(true)
  },
)

test('qwen2 without layer_types slides from max_window_layers up', () => {
  const { folder, sequences } = openGoldenModel('qwen2-sliding')
  using model = loadModel(folder, { device: cpu })
  const config: Record<string, unknown> = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
  const { layer_types, ...older } = config
  expect(layer_types).toEqual(['full_attention', 'sliding_attention'])
  expect(older.max_window_layers).toBe(1)
  using same = loadWithConfig(folder, older, cpu)
  expect(sameBytes(logitsOf(same, sequences), logitsOf(model, sequences))).toBe(true)
})

// These weights are drawn wide, so rounding shows: transformers' own bf16 run is up to 5e-2 off.
test.each([...MODEL_CASES])('%s in bf16 stays near f32', (name) => {
  const { folder, sequences, logits } = openGoldenModel(name)
  using model = loadModel(folder, { device: cpu, dtype: 'bf16' })
  const error = relativeRms(logitsOf(model, sequences), logits)
  expect(error).toBeLessThanOrEqual(4e-2)
  expect(error).toBeGreaterThan(1e-3) // or it was not bf16
})

test('a model gives back all its memory', () => {
  const [tensors, live] = [countLiveTensors(), cpu.memory().live]
  measureModel('llama', cpu)
  measureModel('gpt2', cpu)
  expect(countLiveTensors()).toBe(tensors)
  expect(cpu.memory().live).toBe(live)
})
