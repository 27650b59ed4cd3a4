/**
 * Families that are made of more ops than llama, on WebAssembly and on the emulated GPU, beside transformers.
 */
import { expect, test } from 'bun:test'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { HAS_EMULATOR, openEmulated } from '../../cuda/_emulated.ts'
import { measureModel } from '../../_golden.ts'

// Caps; neighbours that turn, side by side; layers in one; norms of heads.
const NAMES = ['gemma2', 'cohere2', 'phi3-longrope', 'stablelm-parallel']

test.each(NAMES)('%s on WebAssembly equals transformers', async (name) => {
  const device = await openWasm()
  const errors = measureModel(name, device)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
  expect(errors.checkpointingEqual).toBe(true)
})

test.skipIf(!HAS_EMULATOR).each(NAMES)('%s on the emulated GPU equals transformers', (name) => {
  const errors = measureModel(name, openEmulated())
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
  expect(errors.checkpointingEqual).toBe(true)
})

// Rows by expert; sinks, experts in one tensor.
const MIXTURES = ['qwen3_moe', 'gpt_oss']

test.each(MIXTURES)('%s on WebAssembly equals transformers', async (name) => {
  const errors = measureModel(name, await openWasm(), 'moe-models')
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
  expect(errors.checkpointingEqual).toBe(true)
})

test.skipIf(!HAS_EMULATOR).each(MIXTURES)('%s on the emulated GPU equals transformers', (name) => {
  const errors = measureModel(name, openEmulated(), 'moe-models')
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
  expect(errors.checkpointingEqual).toBe(true)
})
