/**
 * Mixtures of experts as GGUF files: written, read back, packed, and refused where llama.cpp computes otherwise.
 */
import { expect, test } from 'bun:test'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { exportModel } from '../../../plugins/export/mod.ts'
import { openGguf } from '../../../plugins/gguf/mod.ts'
import { loadModel, readConfig } from '../../../plugins/models/mod.ts'
import { logitsOf, openGoldenModel, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()

/** What llama.cpp computes otherwise, as it does. */
const CHANGES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  mixtral: { sliding_window: null },
  qwen3_moe: {},
  gpt_oss: { swiglu_limit: 7 },
}

/** The golden model with another config.json. */
function copyOf(name: string, folder: string, changes: Readonly<Record<string, unknown>>): void {
  const { folder: golden } = openGoldenModel(name, 'moe-models')
  copyFileSync(join(golden, 'model.safetensors'), join(folder, 'model.safetensors'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...readConfig(golden), ...changes }))
}

test.each(Object.keys(CHANGES))('%s is the same model as a GGUF file', async (name) => {
  using temporary = temporaryFolder()
  copyOf(name, temporary.path, CHANGES[name])
  const file = join(temporary.path, 'model.gguf')
  await exportModel(temporary.path, { to: 'gguf', output: file, type: 'f32' })
  const { sequences } = openGoldenModel(name, 'moe-models')
  using model = loadModel(temporary.path, { device: cpu })
  using again = loadModel(file, { device: cpu })
  expect(again.info.type).toBe(name)
  expect([...again.weights.keys()].toSorted()).toEqual([...model.weights.keys()].toSorted())
  expect(relativeError(logitsOf(again, sequences), logitsOf(model, sequences))).toBeLessThanOrEqual(1e-6)
})

test('the experts of a block are one tensor, and packed by rows; the router is not', async () => {
  using temporary = temporaryFolder()
  copyOf('mixtral', temporary.path, CHANGES['mixtral'])
  const file = join(temporary.path, 'model.gguf')
  await exportModel(temporary.path, { to: 'gguf', output: file, type: 'f16' })
  const { tensors } = openGguf(file)
  expect(tensors.get('blk.1.ffn_gate_exps.weight')?.shape).toEqual([5, 20, 24])
  expect(tensors.get('blk.1.ffn_down_exps.weight')?.shape).toEqual([5, 24, 20])
  expect(tensors.get('blk.1.ffn_down_exps.weight')?.type.name).toBe('F16')
  expect(tensors.get('blk.1.ffn_gate_inp.weight')?.type.name).toBe('F32')
})

test.each([
  ['mixtral', {}, 'a sliding window'],
  ['qwen3_moe', { norm_topk_prob: false }, 'norm_topk_prob: false'],
  ['qwen3_moe-dense', {}, 'blocks without experts'],
  ['gpt_oss', {}, 'swiglu of 1.702 and 1.5'],
  ['qwen2_moe', {}, 'have no GGUF form here'],
] as const)('%s with %p has no GGUF form', async (name, changes, message) => {
  using temporary = temporaryFolder()
  copyOf(name, temporary.path, changes)
  const output = join(temporary.path, 'model.gguf')
  await expect(exportModel(temporary.path, { to: 'gguf', output, type: 'f32' })).rejects.toThrow(message)
})
