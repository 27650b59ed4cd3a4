/**
 * Mixtures of experts against what transformers computes: logits, loss, gradients, the loss of the router; packed, cached, checkpointed.
 */
import { expect, test } from 'bun:test'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { tensorDType } from '../../../core/files/safetensors.ts'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import {
  type AuxiliaryLoss,
  backward,
  type Model,
  noGrad,
  referenceDevice,
  sum,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { countActiveWeights, countWeights } from '../../../plugins/finetune/mod.ts'
import { crossEntropyObjective } from '../../../plugins/finetune/training/cross-entropy.ts'
import { createBatch, loadModel, readConfig } from '../../../plugins/models/mod.ts'
import { trainAllWeights } from '../../../plugins/peft/mod.ts'
import {
  loadWithConfig,
  logitsOf,
  measureModel,
  openGoldenModel,
  readFloats,
  relativeError,
  sameBytes,
  takeGradients,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()
const GROUP = 'moe-models'
const CASES = ['gpt_oss', 'mixtral', 'qwen2_moe', 'qwen3_moe', 'qwen3_moe-dense']
const folderOf = (name: string): string => openGoldenModel(name, GROUP).folder

test.each(CASES)('%s on the CPU equals transformers', (name) => {
  const errors = measureModel(name, cpu, GROUP)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.loss).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
  expect(errors.checkpointingEqual).toBe(true)
})

test.each(['gpt_oss', 'mixtral', 'qwen2_moe'])('%s on the reference device equals transformers', (name) => {
  const errors = measureModel(name, referenceDevice, GROUP)
  expect(errors.logits).toBeLessThanOrEqual(1e-5)
  expect(errors.gradient, errors.worst).toBeLessThanOrEqual(1e-5)
})

/** Loss of all sequences by the objective of runs, with the router loss beside it; the gradients stay in the parameters. */
function objectiveOf(
  name: string,
  model: Model,
  checkpointing: boolean,
): { readonly loss: number; readonly router: number } {
  const { sequences } = openGoldenModel(name, GROUP)
  const { ids, rows, length } = sequences
  const offsets = Array.from({ length: rows + 1 }, (_, i) => i * length)
  const targets = Int32Array.from(ids, (_, i) => ((i + 1) % length === 0 ? -100 : ids[i + 1]))
  const trainedTokens = rows * (length - 1)
  using _scope = tensorScope()
  const batch = {
    tokens: createBatch({ ids, offsets }, cpu),
    targets: tensor(targets, { dtype: 'i32', device: cpu }),
    trainedTokens,
    examples: [],
  }
  const options = { scale: 1 / trainedTokens, window: [], checkpointing, training: true }
  const { loss, log } = crossEntropyObjective.loss(model, batch, options)
  backward(loss)
  return { loss: loss.item(), router: log?.['router_aux_loss']?.item() ?? Number.NaN }
}

test.each(CASES)('%s: the loss of the router and its gradients equal transformers', (name) => {
  const { folder, expected, loss } = openGoldenModel(name, GROUP)
  const coefficient = Number(readConfig(folder)['router_aux_loss_coef'])
  const [balance] = readFloats(expected, 'aux_loss')
  using model = loadModel(folder, { device: cpu, writable: true })
  const parameters = trainAllWeights(model)
  for (const checkpointing of [false, true]) {
    const got = objectiveOf(name, model, checkpointing)
    expect(Math.abs(got.router - balance)).toBeLessThanOrEqual(1e-5)
    expect(Math.abs(got.loss - (loss + coefficient * balance))).toBeLessThanOrEqual(1e-5)
    const gradients = takeGradients(model, parameters)
    const routers = [...expected.entries.keys()].filter((key) => key.startsWith('total.grad.'))
    expect(routers.length).toBeGreaterThan(1)
    for (const key of routers) {
      const own = gradients.get(key.slice('total.grad.'.length)) ?? []
      expect(relativeError(own, readFloats(expected, key)), key).toBeLessThanOrEqual(1e-5)
    }
  }
})

test('without output_router_logits there is no loss of the router', () => {
  const { folder } = openGoldenModel('mixtral', GROUP)
  const { output_router_logits, ...config } = readConfig(folder)
  expect(output_router_logits).toBe(true)
  using model = loadWithConfig(folder, config, cpu)
  using _scope = tensorScope()
  const auxiliary = new Map<string, AuxiliaryLoss>()
  noGrad(() => model.hidden(createBatch({ ids: [1, 2, 3] }, cpu), { auxiliary }))
  expect(auxiliary.size).toBe(0)
})

test.each(CASES)('%s: packed documents and a cache give the same logits', (name) => {
  const { folder, sequences, logits } = openGoldenModel(name, GROUP)
  using model = loadModel(folder, { device: cpu })
  const { ids, length } = sequences
  const vocabulary = model.info.vocabSize
  const first = ids.subarray(0, length)
  const alone = logitsOf(model, { ids: first, rows: 1, length })
  expect(relativeError(alone, logits.subarray(0, length * vocabulary))).toBeLessThanOrEqual(1e-5)
  using cache = model.createCache(length)
  const cached: number[] = []
  for (const part of [first.subarray(0, 5), first.subarray(5, 6), first.subarray(6)]) {
    using _scope = tensorScope()
    const positions = Int32Array.from(part, (_, i) => cache.length + i)
    const hidden = noGrad(() => model.hidden(createBatch({ ids: part, positions }, cpu), { cache }))
    cached.push(...hidden.toArray())
  }
  using _scope = tensorScope()
  const whole = noGrad(() => model.hidden(createBatch({ ids: first }, cpu))).toArray()
  expect(relativeError(cached, whole)).toBeLessThanOrEqual(1e-5)
})

test.each([
  [
    'mixtral',
    { num_local_experts: 4 },
    'config.json says 4 experts, the router of the checkpoint has another number',
  ],
  ['mixtral', { num_local_experts: 6 }, 'config.json says 6 experts'],
  ['qwen3_moe', { num_local_experts: 8 }, 'config.json says 8 experts'],
  ['qwen3_moe', { num_experts_per_tok: 9 }, 'num_experts_per_tok is 9, there are 7 experts'],
  ['qwen3_moe', { num_local_experts: 0 }, 'num_local_experts: expected a positive integer'],
  ['qwen3_moe', { moe_intermediate_size: 13 }, 'experts.0.gate_proj.weight'],
] as const)('%s with %p is refused', (name, changes, message) => {
  const folder = folderOf(name)
  expect(() => loadWithConfig(folder, { ...readConfig(folder), ...changes }, cpu)).toThrow(message)
})

test('an expert that no token chooses costs nothing and has no gradient', () => {
  const { folder } = openGoldenModel('qwen3_moe', GROUP)
  using model = loadModel(folder, { device: cpu, writable: true })
  const parameters = trainAllWeights(model)
  using _scope = tensorScope()
  // One token goes to three of seven experts.
  const hidden = model.hidden(createBatch({ ids: [5] }, cpu))
  backward(sum(hidden))
  const touched = (block: number): number =>
    Array.from({ length: 7 }, (_, i) =>
      parameters.get(`model.layers.${block}.mlp.experts.${i}.up_proj.weight`),
    ).filter((one) => one?.grad != null).length
  expect([touched(0), touched(1)]).toEqual([3, 3])
  for (const { grad } of parameters.values()) grad?.dispose()
})

test('bf16 stays near f32', () => {
  const { folder, sequences } = openGoldenModel('mixtral', GROUP)
  using wide = loadModel(folder, { device: cpu })
  using narrow = loadModel(folder, { device: cpu, dtype: 'bf16' })
  const [a, b] = [logitsOf(wide, sequences), logitsOf(narrow, sequences)]
  expect(sameBytes(a, b)).toBe(false)
  const size = (values: Float32Array): number => Math.hypot(...values)
  expect(size(Float32Array.from(a, (value, i) => value - b[i])) / size(a)).toBeLessThanOrEqual(0.2)
})

test('experts in MXFP4 are unpacked to the numbers that transformers has', () => {
  const { folder, sequences, logits } = openGoldenModel('gpt_oss-mxfp4', GROUP)
  using model = loadModel(folder, { device: cpu, dtype: 'f32' })
  expect(relativeError(logitsOf(model, sequences), logits)).toBeLessThanOrEqual(1e-5)
  // As it is stored: bf16, which holds these numbers as they are.
  using narrow = loadModel(folder, { device: cpu })
  const [a, b] = [model, narrow].map(
    (one) => one.weights.get('model.layers.1.mlp.experts.2.down_proj.weight')?.toArray() ?? [],
  )
  expect(a).toHaveLength(32 * 32)
  expect([...b]).toEqual([...a])
})

test.each([
  ['_blocks', 'expected U8 (3, 32, 1, 16)'],
  ['_scales', 'which its packed weight needs'],
] as const)('MXFP4 without a fitting %s is refused', (part, message) => {
  using folder = temporaryFolder()
  const { folder: golden } = openGoldenModel('gpt_oss-mxfp4', GROUP)
  const checkpoint = openCheckpoint(golden)
  const broken = `model.layers.0.mlp.experts.down_proj${part}`
  copyFileSync(join(golden, 'config.json'), join(folder.path, 'config.json'))
  writeSafetensors(
    join(folder.path, 'model.safetensors'),
    [...checkpoint.entries.values()].flatMap((entry) => {
      if (entry.name === broken && part === '_scales') return []
      const shape = entry.name === broken ? [3, 16, 2, 16] : entry.shape
      return [{ name: entry.name, dtype: tensorDType(entry), shape, chunks: () => [checkpoint.read(entry)] }]
    }),
  )
  expect(() => loadModel(folder.path, { device: cpu })).toThrow(message)
})

test('of the experts a token meets those that it gets', () => {
  using model = loadModel(folderOf('mixtral'), { device: cpu })
  const experts = 2 * 5 * 3 * 24 * 20
  expect(countWeights(model) - countActiveWeights(model)).toBe((experts * 3) / 5)
  using dense = loadModel(openGoldenModel('llama').folder, { device: cpu })
  expect(countActiveWeights(dense)).toBe(countWeights(dense))
})
