/**
 * LoRA on experts against PEFT: on fused parameters, on the modules of older checkpoints; logits, gradients, files, merging, faults.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { mergeAdapters, type Model, tensorScope, withDocumentAdapters } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  addWeightedAdapter,
  attachLora,
  loadAdapter,
  saveAdapter,
  saveMlxAdapter,
} from '../../../plugins/peft/mod.ts'
import {
  GOLDEN,
  goldenJson,
  logitsOf,
  lossAndGradients,
  readFloats,
  readSequences,
  relativeError,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()
const PARAMETERS = ['gpt_oss-parameters', 'mixtral-parameters', 'qwen3_moe-down']
const CASES = [...PARAMETERS, 'mixtral-modules', 'qwen3_moe-modules']

function open(name: string): { readonly folder: string; readonly base: string } {
  const folder = join(GOLDEN, 'peft-experts', name)
  return {
    folder,
    base: join(folder, goldenJson<{ base: string }>('peft-experts', name, 'expected.json').base),
  }
}

function logitError(model: Model, name: string): number {
  const expected = openCheckpoint(join(GOLDEN, 'peft-experts', name, 'expected.safetensors'))
  return relativeError(logitsOf(model, readSequences(expected)), readFloats(expected, 'logits'))
}

test.each(CASES)('%s: logits equal PEFT, on the base and merged', (name) => {
  const { folder, base } = open(name)
  using model = loadModel(base, { device: cpu })
  using _adapter = loadAdapter(model, folder)
  expect(logitError(model, name)).toBeLessThanOrEqual(1e-5)
  using merged = mergeAdapters(model)
  expect(merged.layers.length).toBeGreaterThan(10)
  expect(logitError(model, name)).toBeLessThanOrEqual(1e-5)
})

test.each(PARAMETERS)('%s: loss and gradients equal PEFT', (name) => {
  const { folder, base } = open(name)
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  using model = loadModel(base, { device: cpu })
  using adapter = loadAdapter(model, folder)
  const sequences = readSequences(expected)
  for (const checkpointing of [false, true]) {
    const loss = lossAndGradients(model, sequences, { checkpointing })
    expect(Math.abs(loss - readFloats(expected, 'loss')[0])).toBeLessThanOrEqual(1e-5)
    const files = new Map([...adapter.tensors].map(([file, tensor]) => [tensor, file]))
    for (const tensor of adapter.parameters.values()) {
      const file = files.get(tensor) ?? ''
      const error = relativeError(tensor.grad?.toArray() ?? [], readFloats(expected, `grad.${file}`))
      expect(error, file).toBeLessThanOrEqual(1e-5)
      tensor.grad?.dispose()
      tensor.grad = null
    }
  }
})

test.each(CASES)('%s: saved again it is the same file', (name) => {
  const { folder, base } = open(name)
  using out = temporaryFolder()
  {
    using model = loadModel(base, { device: cpu })
    using adapter = loadAdapter(model, folder)
    saveAdapter(out.path, adapter, { baseModel: base })
  }
  const [before, after] = [folder, out.path].map((path) =>
    openCheckpoint(join(path, 'adapter_model.safetensors')),
  )
  expect([...after.entries.keys()].toSorted()).toEqual([...before.entries.keys()].toSorted())
  for (const key of before.entries.keys()) expect(readFloats(after, key)).toEqual(readFloats(before, key))
  using model = loadModel(base, { device: cpu })
  using _adapter = loadAdapter(model, out.path)
  expect(logitError(model, name)).toBeLessThanOrEqual(1e-5)
})

test('a new LoRA on all experts starts as the base, and its file has the shapes and names of PEFT', () => {
  const { folder, base } = open('mixtral-parameters')
  const wanted = openCheckpoint(join(folder, 'adapter_model.safetensors'))
  using model = loadModel(base, { device: cpu })
  const sequences = readSequences(openCheckpoint(join(folder, 'expected.safetensors')))
  const plain = logitsOf(model, sequences)
  using adapter = attachLora(model, {
    rank: 3,
    alpha: 6,
    targetModules: ['q_proj'],
    targetParameters: ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'],
  })
  expect(relativeError(logitsOf(model, sequences), plain)).toBeLessThanOrEqual(1e-6)
  expect(new Map([...adapter.tensors].map(([name, { shape }]) => [name, [...shape]]))).toEqual(
    new Map([...adapter.tensors.keys()].map((name) => [name, [...(wanted.entries.get(name)?.shape ?? [])]])),
  )
  expect(adapter.tensors.size).toBe(wanted.entries.size)
  expect(adapter.config['target_parameters']).toEqual(['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'])
})

test.each(['gpt_oss-parameters', 'mixtral-parameters'])(
  '%s: a merged model on disk is the same model',
  (name) => {
    const { folder, base } = open(name)
    using out = temporaryFolder()
    {
      using model = loadModel(base, { device: cpu })
      using _adapter = loadAdapter(model, folder)
      saveModel(model, base, out.path)
    }
    const [before, after] = [base, out.path].map((path) => openCheckpoint(path))
    const shapes = ({ entries }: typeof before): [string, string][] =>
      [...entries].map(([key, { shape }]): [string, string] => [key, shape.join()]).toSorted()
    expect(shapes(after)).toEqual(shapes(before))
    using model = loadModel(out.path, { device: cpu })
    expect(logitError(model, name)).toBeLessThanOrEqual(1e-5)
  },
)

test.each([
  [{ targetParameters: ['mlp.experts.gate_proj'] }, 'did you mean mlp.experts.gate_up_proj'],
  [{ targetParameters: ['mlp.experts.down_proj'], dropout: 0.1 }, 'there is no lora_dropout on parameters'],
  [
    { targetParameters: ['mlp.experts.down_proj'], init: 'pissa' },
    'the start "pissa" needs a layer of its own',
  ],
  [{ targetParameters: ['mlp.experts.down_proj'], rank: 25 }, 'rank 25 is larger than the layer (24, 20)'],
  [{ targetParameters: ['mlp.experts.down_proj'], targetModules: ['w2'] }, 'is among target_modules too'],
] as const)('%p is refused', (options, message) => {
  using model = loadModel(open('mixtral-modules').base, { device: cpu })
  expect(() => attachLora(model, { targetModules: [], ...options })).toThrow(message)
  expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
})

test('all linear layers of gpt_oss are those of attention, which is what PEFT reads', () => {
  using model = loadModel(open('gpt_oss-parameters').base, { device: cpu })
  using adapter = attachLora(model, { targetModules: 'all-linear' })
  expect([...adapter.parameters.keys()].filter((name) => !name.includes('.self_attn.'))).toEqual([])
  expect(adapter.parameters.size).toBe(16)
  for (const name of ['down_proj', 'router'])
    expect(() => attachLora(model, { targetModules: [name], name: 'other' })).toThrow('in one tensor')
  // By whole weights they are.
  using weights = attachLora(model, {
    targetModules: [],
    targetParameters: ['mlp.router.weight'],
    rank: 4,
    name: 'weights',
  })
  expect(weights.parameters.size).toBe(4)
})

test('a rank may be larger than a router has experts, not than every layer', () => {
  using model = loadModel(open('mixtral-modules').base, { device: cpu })
  {
    using adapter = attachLora(model, { targetModules: 'all-linear', rank: 8 })
    const shapes = [...adapter.parameters].filter(([name]) => name.includes('.0.block_sparse_moe.gate.'))
    expect(shapes.map(([, { shape }]) => shape)).toEqual([
      [8, 24],
      [5, 8],
    ])
  }
  expect(() => attachLora(model, { targetModules: 'all-linear', rank: 33 })).toThrow('rank 33 is larger')
})

test('what has no form for experts says so', () => {
  const { folder, base } = open('mixtral-parameters')
  using out = temporaryFolder()
  using model = loadModel(base, { device: cpu })
  using adapter = loadAdapter(model, folder, { name: 'one' })
  using _other = loadAdapter(model, folder, { name: 'two' })
  expect(() => saveMlxAdapter(out.path, adapter, { baseModel: base })).toThrow(
    'mlx-lm has no LoRA on all experts',
  )
  expect(() => addWeightedAdapter(model, 'both', { one: 1, two: 1 }, { method: 'linear' })).toThrow(
    'cannot be combined by linear',
  )
})

test('combined by what they do to the weights, they are LoRAs of each expert', () => {
  const { folder, base } = open('qwen3_moe-down')
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  using out = temporaryFolder()
  {
    using model = loadModel(base, { device: cpu })
    using _one = loadAdapter(model, folder, { name: 'one' })
    using _two = loadAdapter(model, folder, { name: 'two' })
    using both = addWeightedAdapter(model, 'both', { one: 0.5, two: 0.5 }, { rank: 2 })
    saveAdapter(out.path, both, { baseModel: base })
  }
  using model = loadModel(base, { device: cpu })
  using _both = loadAdapter(model, out.path)
  const logits = logitsOf(model, readSequences(expected))
  expect(relativeError(logits, readFloats(expected, 'logits'))).toBeLessThanOrEqual(1e-4)
})

test('several adapters on the experts add up', () => {
  const { folder, base } = open('mixtral-parameters')
  const sequences = readSequences(openCheckpoint(join(folder, 'expected.safetensors')))
  using model = loadModel(base, { device: cpu })
  using _one = loadAdapter(model, folder, { name: 'one' })
  using two = loadAdapter(model, folder, { name: 'two' })
  // Half of the one and half of the other, which is the same, is the whole.
  for (const { adapters } of model.layers.values()) for (const slot of adapters) slot.weight = 0.5
  expect(two.adapters.size).toBeGreaterThan(10)
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  expect(relativeError(logitsOf(model, sequences), readFloats(expected, 'logits'))).toBeLessThanOrEqual(1e-5)
})

test('documents with adapters of their own do not go through experts', () => {
  const { folder, base } = open('mixtral-parameters')
  using model = loadModel(base, { device: cpu })
  using _adapter = loadAdapter(model, folder, { name: 'one' })
  using _scope = tensorScope()
  const batch = createBatch({ ids: [1, 2, 3, 4], offsets: [0, 2, 4] }, cpu)
  expect(() => withDocumentAdapters(model, batch, ['one', '__base__'], () => model.hidden(batch))).toThrow(
    'adapter "one" cannot be on some documents: it changes experts',
  )
})
