/**
 * The LoRA family beside what PEFT computes with the same files: DoRA, embeddings, head, tied pairs, lora_bias, starts that change the
 * base, LoRA+.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  adamw,
  backward,
  chain,
  type Device,
  headCrossEntropy,
  type Model,
  type Parameters,
  referenceDevice,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  attachLora,
  type AttachedAdapter,
  loadAdapter,
  type LoraAdapter,
  type LoraModelOptions,
  loraPlus,
  saveAdapter,
  startByData,
} from '../../../plugins/peft/mod.ts'
import {
  GOLDEN,
  goldenJson,
  logitsOf,
  readFloats,
  readSequences,
  relativeError,
  sameBytes,
  type Sequences,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()

interface Golden {
  readonly folder: string
  readonly base: string
  readonly matched: readonly string[]
  readonly losses: readonly number[]
  readonly learningRate: number
  readonly loraplus: { readonly loraplus_lr_ratio: number; readonly loraplus_lr_embedding: number } | null
  readonly effect: number
  readonly expected: Checkpoint
  readonly sequences: Sequences
}

function open(name: string): Golden {
  const folder = join(GOLDEN, 'peft-lora', name)
  const info = goldenJson<Omit<Golden, 'folder' | 'expected' | 'sequences'>>(
    'peft-lora',
    name,
    'expected.json',
  )
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  return { ...info, folder, base: join(folder, info.base), expected, sequences: readSequences(expected) }
}

const PLAIN = [
  'dora',
  'dora-rslora',
  'dora-gpt2',
  'dora-bias',
  'dora-embedding',
  'embedding',
  'head',
  'lora-bias',
  'loraplus',
  'layers',
]
const STARTS = ['pissa', 'pissa-rslora', 'pissa-gpt2', 'olora', 'loftq']
const TIED = ['pair', 'tied', 'tied-regex']

/** Mean cross-entropy of all documents, as the golden run has it. */
function lossOf(model: Model, { ids, length, count }: { ids: Int32Array; length: number; count: number }) {
  const offsets = Array.from({ length: count + 1 }, (_, i) => i * length)
  const batch = createBatch({ ids, offsets }, model.head.device)
  const targets = Int32Array.from(ids, (_, i) => ((i + 1) % length === 0 ? -100 : ids[i + 1]))
  return headCrossEntropy(
    model.head,
    model.hidden(batch),
    tensor(targets, { dtype: 'i32', device: model.head.device }),
    { scale: 1 / (count * (length - 1)) },
  )
}

function documentsOf({ sequences }: Golden): { ids: Int32Array; length: number; count: number } {
  const { ids, length } = sequences
  return { ids, length, count: ids.length / length }
}

function clearGradients(parameters: Parameters): void {
  for (const parameter of parameters.values()) {
    parameter.grad?.dispose()
    parameter.grad = null
  }
}

/** Relative to the largest gradient of the step: some are nearly 0. */
function gradientsOf(
  model: Model,
  { parameters }: AttachedAdapter,
  golden: Golden,
): Map<string, Float32Array> {
  using _scope = tensorScope()
  backward(lossOf(model, documentsOf(golden)))
  const gradients = new Map(
    [...parameters].map(([name, { grad }]) => [name, grad?.toArray() ?? new Float32Array()]),
  )
  clearGradients(parameters)
  return gradients
}

const onDevices = (names: readonly string[], devices: readonly Device[]) =>
  names.flatMap((name) => devices.map((device) => [name, device.name, device] as const))

describe.each(onDevices([...PLAIN, ...STARTS, ...TIED], [cpu, referenceDevice]))(
  '%s on %s',
  (name, _, device) => {
    test('logits and gradients as PEFT', () => {
      const golden = open(name)
      using model = loadModel(golden.base, { device })
      const plain = logitsOf(model, golden.sequences)
      {
        using adapter = loadAdapter(model, golden.folder)
        expect([...adapter.adapters.keys()].toSorted()).toEqual([...golden.matched].toSorted())
        const logits = logitsOf(model, golden.sequences)
        expect(relativeError(logits, readFloats(golden.expected, 'logits'))).toBeLessThanOrEqual(1e-5)
        expect(relativeError(logits, plain)).toBeCloseTo(golden.effect, 2)
        if (!name.startsWith('tied'))
          for (const [parameter, values] of gradientsOf(model, adapter, golden))
            expect(
              relativeError(values, readFloats(golden.expected, `grad.${parameter}`)),
              parameter,
            ).toBeLessThanOrEqual(STARTS.includes(name) ? 5e-5 : 1e-5)
      }
      expect(sameBytes(logitsOf(model, golden.sequences), plain)).toBe(true) // the base is as it was
    })
  },
)

test.each([...PLAIN, ...STARTS, 'pair'])('%s: 20 steps of AdamW have the losses of PEFT', (name) => {
  const golden = open(name)
  using model = loadModel(golden.base, { device: cpu })
  using adapter = loadAdapter(model, golden.folder)
  const { parameters } = adapter
  const { learningRate, loraplus } = golden
  const optimizer = loraplus
    ? chain(
        loraPlus({
          ratio: loraplus.loraplus_lr_ratio,
          embedding: loraplus.loraplus_lr_embedding,
          learningRate,
        }),
        adamw(),
      )
    : adamw()
  using state = optimizer.init(parameters)
  for (const [i, expected] of golden.losses.entries()) {
    using _scope = tensorScope()
    const loss = lossOf(model, documentsOf(golden))
    backward(loss)
    expect(Math.abs(loss.item() - expected), `step ${i + 1}`).toBeLessThanOrEqual(1e-4)
    state.apply({ step: i + 1, learningRate, gradScale: 1, metrics: {} })
    clearGradients(parameters)
  }
  const logits = logitsOf(model, golden.sequences)
  expect(relativeError(logits, readFloats(golden.expected, 'trained_logits'))).toBeLessThanOrEqual(1e-3)
  clearGradients(parameters)
})

test.each(['pissa', 'pissa-gpt2', 'olora'])(
  '%s: the plain LoRA that PEFT makes of it gives the same',
  (name) => {
    const golden = open(name)
    using model = loadModel(golden.base, { device: cpu })
    using _adapter = loadAdapter(model, join(golden.folder, 'trained'))
    const logits = logitsOf(model, golden.sequences)
    expect(relativeError(logits, readFloats(golden.expected, 'trained_logits'))).toBeLessThanOrEqual(1e-5)
  },
)

test.each([...PLAIN, ...STARTS])('%s merged: the weights and logits of merge_and_unload()', (name) => {
  const golden = open(name)
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'merged')
  {
    using model = loadModel(golden.base, { device: cpu })
    using _adapter = loadAdapter(model, golden.folder)
    saveModel(model, golden.base, folder)
  }
  const merged = openCheckpoint(folder)
  const names = [...golden.expected.entries.keys()].filter((one) => one.startsWith('merged.'))
  expect(names.length).toBeGreaterThan(0)
  for (const one of names)
    expect(
      relativeError(readFloats(merged, one.slice('merged.'.length)), readFloats(golden.expected, one)),
      one,
    ).toBeLessThanOrEqual(STARTS.includes(name) ? 1e-5 : 1e-6)
  using again = loadModel(folder, { device: cpu })
  const logits = logitsOf(again, golden.sequences)
  expect(relativeError(logits, readFloats(golden.expected, 'merged_logits'))).toBeLessThanOrEqual(1e-5)
})

test.each(TIED)('%s merged gives what the adapter gives, tied only where the adapter is', (name) => {
  const golden = open(name)
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'merged')
  let before = new Float32Array()
  {
    using model = loadModel(golden.base, { device: cpu })
    using _adapter = loadAdapter(model, golden.folder)
    before = Float32Array.from(logitsOf(model, golden.sequences))
    saveModel(model, golden.base, folder)
  }
  const config: { tie_word_embeddings: boolean } = JSON.parse(
    readFileSync(join(folder, 'config.json'), 'utf8'),
  )
  const { entries } = openCheckpoint(folder)
  expect(config.tie_word_embeddings).toBe(name !== 'pair')
  expect(entries.has('lm_head.weight')).toBe(name === 'pair')
  using again = loadModel(folder, { device: cpu })
  expect(relativeError(logitsOf(again, golden.sequences), before)).toBeLessThanOrEqual(2e-6)
})

test('eva: the directions that PEFT finds in the same batches', () => {
  const expected = openCheckpoint(join(GOLDEN, 'peft-lora', 'eva', 'expected.safetensors'))
  const entry = expected.entries.get('batches')
  if (!entry) throw new Error('there are no batches')
  const all = new Int32Array(Uint8Array.from(expected.read(entry)).buffer)
  const [count, rows, length] = entry.shape
  using model = loadModel(join(GOLDEN, 'peft-train', 'base'), { device: cpu })
  using adapter = attachLora(model, {
    rank: 3,
    init: 'eva',
    targetModules: ['q_proj', 'k_proj', 'down_proj', 'lm_head'],
  })
  using owned = new DisposableStack()
  const offsets = Array.from({ length: rows + 1 }, (_, i) => i * length)
  const batches = Array.from({ length: count }, (_, i) => {
    const tokens = createBatch({ ids: all.slice(i * rows * length, (i + 1) * rows * length), offsets }, cpu)
    for (const one of [tokens.ids, tokens.positions, tokens.offsets]) owned.use(one)
    return { tokens, counts: (at: number) => (at % length) % 5 !== 2 }
  })
  const { unsettled, batches: taken } = startByData(model, adapter, batches)
  expect(unsettled).toBe(0)
  expect(taken).toBeLessThan(count)
  for (const [path, { a }] of lorasOf(adapter)) {
    const [ours, theirs] = [a.toArray(), readFloats(expected, path)]
    const columns = ours.length / 3
    for (let k = 0; k < 3; k++) {
      let dot = 0
      for (let j = k * columns; j < (k + 1) * columns; j++) dot += ours[j] * theirs[j]
      expect(Math.abs(dot), `${path}, direction ${k}`).toBeGreaterThan(0.999)
    }
  }
})

function lorasOf({ adapters }: AttachedAdapter): [string, LoraAdapter][] {
  return [...adapters].map(([path, adapter]) => [path, adapter as LoraAdapter])
}

interface Written {
  readonly config: Readonly<Record<string, unknown>>
  readonly shapes: Readonly<Record<string, readonly number[]>>
}

function filesOf(folder: string): Written {
  const { entries } = openCheckpoint(join(folder, 'adapter_model.safetensors'))
  const shapes = Object.fromEntries(
    [...entries].filter(([key]) => !key.includes('base_layer')).map(([key, { shape }]) => [key, shape]),
  )
  return {
    config: JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')),
    shapes,
  }
}

/** What attachLora() is told, for the files of PEFT's own configuration. */
const ASKED: Readonly<Record<string, LoraModelOptions>> = {
  dora: { targetModules: ['q_proj', 'down_proj'], dora: true },
  'dora-rslora': {
    targetModules: ['v_proj', 'up_proj'],
    dora: true,
    rsLora: true,
    rankPattern: { v_proj: 2 },
  },
  'dora-gpt2': { targetModules: ['c_attn', 'mlp.c_proj'], dora: true },
  'dora-embedding': { targetModules: ['embed_tokens', 'lm_head'], dora: true },
  embedding: { targetModules: ['embed_tokens', 'k_proj'] },
  head: { targetModules: ['lm_head', 'o_proj'] },
  tied: { targetModules: ['embed_tokens', 'q_proj'], ensureWeightTying: true },
  'tied-regex': { targetModules: '.*lm_head', ensureWeightTying: true },
  'lora-bias': { targetModules: ['q_proj', 'gate_proj'], loraBias: true },
  layers: { targetModules: ['q_proj'], layersToTransform: [1], layersPattern: ['layers'] },
  loftq: {
    targetModules: ['q_proj', 'down_proj'],
    init: 'loftq',
    loftq: { bits: 4, iterations: 2 },
    alpha: 4,
  },
}

test.each(Object.entries(ASKED))(
  '%s: files with the keys, values, names and shapes of PEFT',
  (name, asked) => {
    const golden = open(name)
    using temporary = temporaryFolder()
    using model = loadModel(golden.base, { device: cpu })
    using adapter = attachLora(model, { rank: 4, alpha: 8, ...asked })
    saveAdapter(temporary.path, adapter, { baseModel: golden.base.slice(golden.folder.length + 1) })
    const [ours, theirs] = [filesOf(temporary.path), filesOf(golden.folder)]
    expect(ours.shapes).toEqual(theirs.shapes)
    const { base_model_name_or_path: _, target_modules: targets, ...config } = ours.config
    const { base_model_name_or_path: __, target_modules: wanted, ...expected } = theirs.config
    expect(config).toEqual(expected)
    const sorted = (value: unknown): unknown => (Array.isArray(value) ? value.toSorted() : value)
    expect(sorted(targets)).toEqual(sorted(wanted))
  },
)

test('base weights in a file are left aside where they are those of the model', () => {
  const golden = open('pair')
  const { entries } = openCheckpoint(join(golden.folder, 'adapter_model.safetensors'))
  expect([...entries.keys()].some((name) => name.endsWith('base_layer.weight'))).toBe(true)
  using model = loadModel(golden.base, { device: cpu })
  using adapter = loadAdapter(model, golden.folder)
  expect([...adapter.tensors.keys()].some((name) => name.endsWith('base_layer.weight'))).toBe(false)
  expect(adapter.parameters.size).toBe(4)
})
