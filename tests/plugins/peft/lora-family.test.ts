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
  add,
  backward,
  chain,
  createRandom,
  denseWeight,
  type Device,
  div,
  dropout,
  forwardLayer,
  headCrossEntropy,
  linear,
  type Model,
  mul,
  noGrad,
  type Parameters,
  quantize4bit,
  type QuantizedWeight,
  quantizeInt8,
  quantizeTernary,
  referenceDevice,
  siteOf,
  sub,
  tensor,
  type Tensor,
  tensorScope,
  withNoise,
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

describe('DoRA', () => {
  const layerPath = 'model.layers.0.self_attn.q_proj'
  const base = join(GOLDEN, 'peft-train', 'base')

  /** The lengths of the rows of W + s·B·A, from all of it. */
  function plainLengths(weight: Float32Array, { a, b, scale }: LoraAdapter): number[] {
    const [rank, columns] = a.shape
    const [av, bv] = [a.toArray(), b.toArray()]
    return Array.from({ length: b.shape[0] }, (_, o) => {
      let sum = 0
      for (let j = 0; j < columns; j++) {
        let value = weight[o * columns + j]
        for (let k = 0; k < rank; k++) value += scale * bv[o * rank + k] * av[k * columns + j]
        sum += value * value
      }
      return Math.sqrt(sum)
    })
  }

  const forms: Readonly<Record<string, ((weight: Tensor) => QuantizedWeight) | 'f32' | 'bf16'>> = {
    f32: 'f32',
    bf16: 'bf16',
    nf4: (weight) => quantize4bit(weight),
    'nf4 without double quantization': (weight) => quantize4bit(weight, { doubleQuant: false }),
    fp4: (weight) => quantize4bit(weight, { kind: 'fp4' }),
    int8: quantizeInt8,
    ternary: quantizeTernary,
  }

  test.each(Object.entries(forms))(
    'on %s: lengths by the factored form are those of the whole weight',
    (_, form) => {
      using model = loadModel(base, {
        device: cpu,
        ...(typeof form === 'string' ? { dtype: form } : { pack: (_path, weight) => form(weight) }),
      })
      using adapter = attachLora(model, {
        rank: 4,
        init: false,
        dora: true,
        targetModules: ['q_proj', 'down_proj'],
      })
      for (const [path, own] of lorasOf(adapter)) {
        const layer = model.layers.get(path)
        if (!layer) throw new Error(path)
        using weight = denseWeight(layer)
        const expected = plainLengths(weight.toArray(), own)
        const lengths = adapter.parameters.get(`${path}.lora_magnitude_vector`)?.toArray() ?? []
        expect(relativeError(lengths, Float32Array.from(expected)), path).toBeLessThanOrEqual(2e-6)
      }
    },
  )

  test('with dropout: the inputs of the change are dropped, those of the base are not', () => {
    const noise = { seed: 3, step: 1, offset: 0 }
    using model = loadModel(base, { device: referenceDevice })
    const p = 0.4
    using adapter = attachLora(model, {
      rank: 4,
      alpha: 8,
      dropout: p,
      init: false,
      dora: true,
      targetModules: ['layers.0.self_attn.q_proj'],
    })
    const layer = model.layers.get(layerPath)
    const own = lorasOf(adapter)[0][1]
    const m = adapter.parameters.get(`${layerPath}.lora_magnitude_vector`)
    if (!layer || !m) throw new Error(layerPath)
    m.set(m.toArray().map((value, i) => value * (1 + 0.05 * (i % 5))))
    using _scope = tensorScope()
    const rows = 7
    const random = createRandom(5)
    const x = tensor(
      Float32Array.from({ length: rows * layer.inputs }, () => random.normal()),
      {
        shape: [rows, layer.inputs],
        device: referenceDevice,
      },
    )
    const [y, d] = withNoise(noise, () =>
      noGrad(() => [forwardLayer(layer, x), dropout(x, { p, site: siteOf(layerPath) })]),
    )
    expect(relativeError(d.toArray(), x.toArray())).toBeGreaterThan(0.1)
    const weight = denseWeight(layer)
    const gain = div(m, tensor(plainLengths(weight.toArray(), own), { device: referenceDevice }))
    const expected = noGrad(() =>
      add(
        add(linear(x, weight), mul(linear(d, weight), sub(gain, 1))),
        mul(mul(linear(linear(d, own.a), own.b), own.scale), gain),
      ),
    )
    expect(relativeError(y.toArray(), expected.toArray())).toBeLessThanOrEqual(1e-6)
  })
})

describe('PiSSA', () => {
  test('on a packed base: what it stands for, and its files are a plain LoRA of it', () => {
    const base = join(GOLDEN, 'peft-train', 'base')
    const { sequences } = open('pissa')
    using temporary = temporaryFolder()
    const pack = (_path: string, weight: Tensor): QuantizedWeight => quantize4bit(weight)
    let trained = new Float32Array()
    {
      using model = loadModel(base, { device: cpu, pack })
      const before = logitsOf(model, sequences)
      using adapter = attachLora(model, { rank: 4, init: 'pissa', targetModules: 'all-linear' })
      expect(relativeError(logitsOf(model, sequences), before)).toBeLessThanOrEqual(1e-5)
      for (const [, { b }] of lorasOf(adapter)) b.set(b.toArray().map((value) => 1.1 * value))
      trained = Float32Array.from(logitsOf(model, sequences))
      expect(relativeError(trained, before)).toBeGreaterThan(1e-2)
      saveAdapter(temporary.path, adapter, { baseModel: null })
    }
    using model = loadModel(base, { device: cpu, pack })
    using _adapter = loadAdapter(model, temporary.path)
    expect(relativeError(logitsOf(model, sequences), trained)).toBeLessThanOrEqual(1e-6)
  })

  test('on a tied head: the embedding keeps its weight', () => {
    const golden = open('tied')
    using model = loadModel(golden.base, { device: cpu })
    using weight = denseWeight(model.embedding)
    const before = Float32Array.from(weight.toArray())
    using adapter = attachLora(model, { rank: 4, init: 'pissa', targetModules: ['lm_head'] })
    expect(adapter.adapters.size).toBe(1)
    using now = denseWeight(model.embedding)
    expect(sameBytes(now.toArray(), before)).toBe(true)
  })

  test('with dropout, what was taken off the base is taken off all of the input', () => {
    using model = loadModel(join(GOLDEN, 'peft-train', 'base'), { device: cpu })
    using adapter = attachLora(model, { rank: 4, dropout: 0.5, init: 'pissa', targetModules: ['q_proj'] })
    const [path, own] = lorasOf(adapter)[0]
    const layer = model.layers.get(path)
    if (!layer) throw new Error(path)
    own.b.set(new Float32Array(own.b.size)) // nothing trained: W − s·B₀·A₀ alone is left
    using _scope = tensorScope()
    const x = tensor(new Float32Array(3 * layer.inputs).fill(0.5), { shape: [3, layer.inputs], device: cpu })
    const still = noGrad(() => forwardLayer(layer, x))
    const noisy = withNoise({ seed: 1, step: 1 }, () => noGrad(() => forwardLayer(layer, x)))
    expect(relativeError(noisy.toArray(), still.toArray())).toBeLessThanOrEqual(1e-5)
  })

  test.each([
    ['pissa', false],
    ['pissa', true],
    ['olora', false],
    ['pissa_niter_8', false],
  ] as const)('%s, rsLoRA %p: saved and loaded it is the same model', (init, rsLora) => {
    const base = join(GOLDEN, 'peft-train', 'base')
    const { sequences } = open('pissa')
    using temporary = temporaryFolder()
    let trained = new Float32Array()
    {
      using model = loadModel(base, { device: cpu })
      using adapter = attachLora(model, {
        rank: 4,
        alpha: 6,
        init,
        rsLora,
        targetModules: ['q_proj', 'up_proj'],
        rankPattern: { up_proj: 2 },
        alphaPattern: { q_proj: 3 },
      })
      for (const [, { b }] of lorasOf(adapter)) b.set(b.toArray().map((value) => 0.9 * value))
      trained = Float32Array.from(logitsOf(model, sequences))
      saveAdapter(temporary.path, adapter, { baseModel: null })
    }
    using model = loadModel(base, { device: cpu })
    using _adapter = loadAdapter(model, temporary.path)
    expect(relativeError(logitsOf(model, sequences), trained)).toBeLessThanOrEqual(1e-6)
  })
})

describe('LoftQ', () => {
  test('gives the layers their weights back, and starts nearer to them than 4 bits alone', () => {
    const base = join(GOLDEN, 'peft-train', 'base')
    const { sequences } = open('loftq')
    using model = loadModel(base, { device: cpu })
    const plain = logitsOf(model, sequences)
    const packedOnly = ((): Float32Array => {
      using packed = loadModel(base, {
        device: cpu,
        pack: (_path, weight) => quantize4bit(weight, { doubleQuant: false }),
      })
      return Float32Array.from(logitsOf(packed, sequences))
    })()
    {
      // alpha is not the rank: PEFT's start would be off by the scale.
      using _adapter = attachLora(model, { rank: 8, alpha: 32, init: 'loftq', targetModules: 'all-linear' })
      const started = logitsOf(model, sequences)
      expect(relativeError(started, plain)).toBeLessThan(0.85 * relativeError(packedOnly, plain))
    }
    expect(sameBytes(logitsOf(model, sequences), plain)).toBe(true)
  })

  test.each([
    [{ targetModules: ['lm_head'] }, 'tied', 'in common with'],
    [{ targetModules: ['embed_tokens'] }, 'tied', 'an embedding cannot have'],
  ])('%p of a tied model is refused', (targets, name, said) => {
    using model = loadModel(open(name).base, { device: cpu })
    expect(() => attachLora(model, { rank: 4, init: 'loftq', ...targets })).toThrow(said)
    expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
  })
})

test('base weights in a file are left aside where they are those of the model', () => {
  const golden = open('pair')
  const { entries } = openCheckpoint(join(golden.folder, 'adapter_model.safetensors'))
  expect([...entries.keys()].some((name) => name.endsWith('base_layer.weight'))).toBe(true)
  using model = loadModel(golden.base, { device: cpu })
  using adapter = loadAdapter(model, golden.folder)
  expect([...adapter.tensors.keys()].some((name) => name.endsWith('base_layer.weight'))).toBe(false)
  expect(adapter.parameters.size).toBe(4)
})
