/**
 * LoRA on experts against PEFT: on fused parameters, on the modules of older checkpoints; logits, gradients, files, merging, faults.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { mergeAdapters, type Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
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
