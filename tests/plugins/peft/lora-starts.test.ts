/**
 * What no file of PEFT says: DoRA's lengths on every form of weight, dropout, and starts on packed and tied bases.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  add,
  createRandom,
  denseWeight,
  div,
  dropout,
  forwardLayer,
  linear,
  mul,
  noGrad,
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
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  attachLora,
  type AttachedAdapter,
  loadAdapter,
  type LoraAdapter,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import {
  GOLDEN,
  logitsOf,
  readSequences,
  relativeError,
  sameBytes,
  type Sequences,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()
const BASE = join(GOLDEN, 'peft-train', 'base')
const TIED = join(GOLDEN, 'models', 'llama')

/** The text of a golden file. */
function sequencesOf(name: string): Sequences {
  return readSequences(openCheckpoint(join(GOLDEN, 'peft-lora', name, 'expected.safetensors')))
}

function lorasOf({ adapters }: AttachedAdapter): [string, LoraAdapter][] {
  return [...adapters].map(([path, adapter]) => [path, adapter as LoraAdapter])
}

describe('DoRA', () => {
  const layerPath = 'model.layers.0.self_attn.q_proj'

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
      using model = loadModel(BASE, {
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
    using model = loadModel(BASE, { device: referenceDevice })
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
    const sequences = sequencesOf('pissa')
    using temporary = temporaryFolder()
    const pack = (_path: string, weight: Tensor): QuantizedWeight => quantize4bit(weight)
    let trained = new Float32Array()
    {
      using model = loadModel(BASE, { device: cpu, pack })
      const before = logitsOf(model, sequences)
      using adapter = attachLora(model, { rank: 4, init: 'pissa', targetModules: 'all-linear' })
      expect(relativeError(logitsOf(model, sequences), before)).toBeLessThanOrEqual(1e-5)
      for (const [, { b }] of lorasOf(adapter)) b.set(b.toArray().map((value) => 1.1 * value))
      trained = Float32Array.from(logitsOf(model, sequences))
      expect(relativeError(trained, before)).toBeGreaterThan(1e-2)
      saveAdapter(temporary.path, adapter, { baseModel: null })
    }
    using model = loadModel(BASE, { device: cpu, pack })
    using _adapter = loadAdapter(model, temporary.path)
    expect(relativeError(logitsOf(model, sequences), trained)).toBeLessThanOrEqual(1e-6)
  })

  test('on a tied head: the embedding keeps its weight', () => {
    using model = loadModel(TIED, { device: cpu })
    using weight = denseWeight(model.embedding)
    const before = Float32Array.from(weight.toArray())
    using adapter = attachLora(model, { rank: 4, init: 'pissa', targetModules: ['lm_head'] })
    expect(adapter.adapters.size).toBe(1)
    using now = denseWeight(model.embedding)
    expect(sameBytes(now.toArray(), before)).toBe(true)
  })

  test('with dropout, what was taken off the base is taken off all of the input', () => {
    using model = loadModel(BASE, { device: cpu })
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
    const sequences = sequencesOf('pissa')
    using temporary = temporaryFolder()
    let trained = new Float32Array()
    {
      using model = loadModel(BASE, { device: cpu })
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
    using model = loadModel(BASE, { device: cpu })
    using _adapter = loadAdapter(model, temporary.path)
    expect(relativeError(logitsOf(model, sequences), trained)).toBeLessThanOrEqual(1e-6)
  })
})

describe('LoftQ', () => {
  test('gives the layers their weights back, and starts nearer to them than 4 bits alone', () => {
    const sequences = sequencesOf('loftq')
    using model = loadModel(BASE, { device: cpu })
    const plain = logitsOf(model, sequences)
    const packedOnly = ((): Float32Array => {
      using packed = loadModel(BASE, {
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
    [{ targetModules: ['lm_head'] }, 'in common with'],
    [{ targetModules: ['embed_tokens'] }, 'an embedding cannot have'],
  ])('%p of a tied model is refused', (targets, said) => {
    using model = loadModel(TIED, { device: cpu })
    expect(() => attachLora(model, { rank: 4, init: 'loftq', ...targets })).toThrow(said)
    expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
  })
})
