/**
 * What adapters can reach: packed weights, tied embeddings and heads, biases; several adapters with weights; and what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  activateAdapters,
  type Adapter,
  adapterNames,
  add,
  backward,
  baseForward,
  cast,
  defineConfig,
  denseWeight,
  forwardLayer,
  headCrossEntropy,
  headLogits,
  type Layer,
  type LayerAdapterDefinition,
  linearCrossEntropy,
  mergedWeight,
  type Model,
  type ModelAdapterDefinition,
  mul,
  noGrad,
  quantize4bit,
  referenceDevice,
  relu,
  scoped,
  sub,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  withAdapters,
  withNoise,
} from '../../../core/mod.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { embeddingDelta } from '../../../docs/examples/embedding-delta.ts'
import { lowRank } from '../../../docs/examples/low-rank.ts'
import { promptTokens } from '../../../docs/examples/prompt-tokens.ts'
import { reflection } from '../../../docs/examples/reflection.ts'
import { vectorScale } from '../../../docs/examples/vector-scale.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { attachAdapter, attachLora, loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
import * as v from 'valibot'
import { GOLDEN, relativeError, sameBytes, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train/base')
const GPT2 = join(GOLDEN, 'models/gpt2')
const IDS = Int32Array.from({ length: 14 }, (_, i) => (i * 37 + 5) % 97)

function logitsOf(model: Model): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    const hidden = model.hidden(createBatch({ ids: IDS, offsets: [0, 6, 14] }, model.head.device))
    return headLogits(model.head, hidden).toArray()
  })
}

function layerOf(model: Model, path: string): Layer {
  const layer = model.layers.get(path)
  if (!layer) throw new Error(path)
  return layer
}

/** Random numbers in every trained tensor: a fresh adapter does nothing. */
function shake(parameters: ReadonlyMap<string, Tensor>, scale = 0.2): void {
  let state = 1
  for (const parameter of parameters.values())
    parameter.set(
      Float32Array.from({ length: parameter.size }, () => {
        state = (state * 48271) % 2147483647
        return scale * (state / 1073741823 - 1)
      }),
    )
}

function errorOf(fn: () => unknown): TrituneError {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('layers of a model', () => {
  test.each([
    [LLAMA, 'model.embed_tokens', 'lm_head', null],
    [GPT2, 'transformer.wte', 'lm_head', 'transformer.wte'],
  ])(
    '%s: embedding and head are among them, with their sizes and what they are tied to',
    (base, table, head, tiedTo) => {
      using model = loadModel(base, { device: cpu })
      const { hiddenSize, vocabSize } = model.info
      expect(model.layers.get(table)).toBe(model.embedding)
      expect(model.layers.get(head)).toBe(model.head)
      expect(model.embedding).toMatchObject({
        kind: 'embedding',
        inputs: vocabSize,
        outputs: hiddenSize,
        tiedTo: null,
      })
      expect(model.head).toMatchObject({ kind: 'head', inputs: hiddenSize, outputs: vocabSize, tiedTo })
      expect(model.head.weight === model.embedding.weight).toBe(tiedTo !== null)
      for (const { kind, weight, inputs, outputs } of model.layers.values())
        expect(weight.shape).toEqual(
          kind === 'norm' ? [outputs] : kind === 'embedding' ? [inputs, outputs] : [outputs, inputs],
        )
    },
  )

  test('all-linear leaves embeddings and the head out; a name takes them', () => {
    using model = loadModel(GPT2, { device: cpu })
    using all = attachLora(model, { targetModules: 'all-linear', name: 'all' })
    expect([...all.adapters.keys()].every((path) => path.startsWith('transformer.h.'))).toBe(true)
    using head = attachLora(model, { targetModules: ['lm_head'], name: 'head' })
    expect([...head.adapters.keys()]).toEqual(['lm_head'])
  })
})

describe('a packed weight', () => {
  /** The same model twice: with packed layers, and with what they stand for. */
  function both(): DisposableStack & { readonly packed: Model; readonly dense: Model } {
    const stack = new DisposableStack()
    const [packed, dense] = [0, 1].map(() => stack.use(loadModel(LLAMA, { device: cpu, writable: true })))
    for (const layer of packed.layers.values()) {
      if (layer.kind !== 'linear') continue
      using weight = denseWeight(layer)
      const quantized = stack.use(quantize4bit(weight))
      layer.weight = quantized
      layerOf(dense, layer.path).weight = stack.adopt(denseWeight(layer), (t) => t.dispose())
    }
    return Object.assign(stack, { packed, dense })
  }

  test.each([
    ['lora', (model: Model) => attachLora(model, { targetModules: ['q_proj', 'down_proj'], rank: 4 })],
    ['low-rank', (model: Model) => attachAdapter(model, lowRank, { rank: 3 }, { targetModules: ['q_proj'] })],
    [
      'vector-scale',
      (model: Model) => attachAdapter(model, vectorScale, { init: 1 }, { targetModules: ['v_proj'] }),
    ],
    ['reflection', (model: Model) => attachAdapter(model, reflection, {}, { targetModules: ['up_proj'] })],
  ] as const)('carries %s: output, gradients and merging as with what it stands for', (_, attach) => {
    using models = both()
    const [first, second] = [models.packed, models.dense].map((model) => {
      using adapter = attach(model)
      shake(adapter.parameters)
      const logits = logitsOf(model)
      {
        using _scope = tensorScope()
        const targets = tensor(IDS, { dtype: 'i32', device: cpu })
        backward(
          headCrossEntropy(model.head, model.hidden(createBatch({ ids: IDS }, cpu)), targets, { scale: 0.1 }),
        )
      }
      const gradients = [...adapter.parameters.values()].map(({ grad }) => grad?.toArray() ?? [])
      const path = [...adapter.adapters.keys()][0]
      using merged = mergedWeight(layerOf(model, path))
      return { logits, gradients, merged: merged.toArray() }
    })
    expect(relativeError(first.logits, second.logits)).toBeLessThanOrEqual(1e-5)
    expect(relativeError(first.merged, second.merged)).toBeLessThanOrEqual(1e-6)
    for (const [i, gradient] of first.gradients.entries())
      expect(relativeError(gradient, second.gradients[i])).toBeLessThanOrEqual(1e-4)
  })

  test('is written as what it stands for', () => {
    using models = both()
    using temporary = temporaryFolder()
    const plain = logitsOf(models.packed)
    saveModel(models.packed, LLAMA, temporary.path)
    using again = loadModel(temporary.path, { device: cpu })
    expect(relativeError(logitsOf(again), plain)).toBeLessThanOrEqual(1e-5)
  })
})

describe('several adapters', () => {
  test('add up with their weights, forward and merged, in f32 and in bf16', () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      using model = loadModel(LLAMA, { device: cpu, dtype })
      using a = attachLora(model, { targetModules: ['q_proj'], rank: 4, name: 'a' })
      using b = attachAdapter(model, vectorScale, { init: 1 }, { targetModules: ['q_proj'], name: 'b' })
      shake(a.parameters)
      shake(b.parameters)
      const layer = layerOf(model, 'model.layers.1.self_attn.q_proj')
      const output = (active: Record<string, number>): number[] =>
        noGrad(() => {
          using _scope = tensorScope()
          const x = tensor(
            Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
            { shape: [2, 32], dtype, device: cpu },
          )
          return withAdapters(model, active, () => [...forwardLayer(layer, x).toArray()])
        })
      const [none, one, two] = [output({}), output({ a: 1 }), output({ b: 1 })]
      const wanted = none.map((y, i) => y + 0.5 * (one[i] - y) - 2 * (two[i] - y))
      expect(relativeError(output({ a: 0.5, b: -2 }), wanted)).toBeLessThanOrEqual(
        dtype === 'f32' ? 1e-5 : 0.03,
      )
      if (dtype === 'bf16') continue
      activateAdapters(model, { a: 0.5, b: -2 })
      const weighted = logitsOf(model)
      using temporary = temporaryFolder()
      saveModel(model, LLAMA, temporary.path)
      using again = loadModel(temporary.path, { device: cpu })
      expect(relativeError(logitsOf(again), weighted)).toBeLessThanOrEqual(1e-4)
    }
  })

  test('are switched by name; [] is the base model to the bit', () => {
    using model = loadModel(LLAMA, { device: cpu })
    const plain = logitsOf(model)
    const alone = ['a', 'b'].map((name, seed) => {
      using adapter = attachLora(model, {
        targetModules: ['v_proj', 'lm_head'],
        rank: 2,
        init: false,
        seed,
        name,
      })
      expect(adapter.name).toBe(name)
      return logitsOf(model)
    })
    using a = attachLora(model, {
      targetModules: ['v_proj', 'lm_head'],
      rank: 2,
      init: false,
      seed: 0,
      name: 'a',
    })
    using _b = attachLora(model, {
      targetModules: ['v_proj', 'lm_head'],
      rank: 2,
      init: false,
      seed: 1,
      name: 'b',
    })
    expect(adapterNames(model)).toEqual(['a', 'b'])
    activateAdapters(model, ['b'])
    expect(sameBytes(logitsOf(model), alone[1])).toBe(true)
    expect(
      sameBytes(
        withAdapters(model, [], () => logitsOf(model)),
        plain,
      ),
    ).toBe(true)
    expect(sameBytes(logitsOf(model), alone[1])).toBe(true)
    activateAdapters(model, ['a'])
    expect(sameBytes(logitsOf(model), alone[0])).toBe(true)
    a[Symbol.dispose]()
    expect(adapterNames(model)).toEqual(['b'])
    expect(sameBytes(logitsOf(model), plain)).toBe(true)
  })

  test('that are refused leave the model as it was', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using _a = attachLora(model, { targetModules: ['q_proj'], name: 'a' })
    using _p = attachAdapter(model, promptTokens, { tokens: 2 }, { name: 'p' })
    const wrong: [() => unknown, string, string][] = [
      [() => activateAdapters(model, ['A']), 'E_NAME', 'did you mean "a"'],
      [() => activateAdapters(model, { a: Number.NaN }), 'E_ADAPTER', 'the weight of adapter "a" is NaN'],
      [() => activateAdapters(model, { p: 0.5 }), 'E_ADAPTER', 'can be on (1) or off (0)'],
      [
        () => attachLora(model, { targetModules: ['v_proj'], name: 'a' }),
        'E_ADAPTER',
        'already has an adapter "a"',
      ],
      [
        () => attachAdapter(model, promptTokens, { tokens: 3 }, { name: 'p' }),
        'E_ADAPTER',
        'already has an adapter "p"',
      ],
      [
        () => attachAdapter(model, lowRank, { rank: 2 }, { targetModules: ['embed_tokens'] }),
        'E_ADAPTER',
        'low-rank cannot go on model.embed_tokens',
      ],
      [
        () => attachAdapter(model, embeddingDelta, { rank: 2, alpha: 4 }, { targetModules: ['q_proj'] }),
        'E_ADAPTER',
        'which is of the kind linear',
      ],
      [() => attachAdapter(model, lowRank, { rank: 2 }), 'E_ADAPTER', 'targetModules is missing'],
      [
        () => attachAdapter(model, promptTokens, { tokens: 2 }, { targetModules: ['q_proj'] }),
        'E_ADAPTER',
        'takes no targets',
      ],
      [() => attachAdapter(model, promptTokens, { tokens: 64 }), 'E_ADAPTER', 'takes 64 positions of the 64'],
    ]
    for (const [fn, code, message] of wrong) {
      const error = errorOf(fn)
      expect(error.code).toBe(code as TrituneError['code'])
      expect(error.message).toContain(message)
    }
    expect(adapterNames(model)).toEqual(['a', 'p'])
    expect(
      [...model.layers.values()].flatMap(({ adapters }) => adapters).every(({ weight }) => weight === 1),
    ).toBe(true)
  })
})

describe('an adapter that the model cannot take', () => {
  const options = defineConfig(v.strictObject({}))

  test('virtual tokens of another width', () => {
    const narrow: ModelAdapterDefinition<object> = {
      name: 'narrow',
      options,
      createForModel: () => {
        const tokens = tensor(new Float32Array(10), { shape: [2, 5], device: cpu })
        tokens.adopt(null)
        return {
          kind: 'narrow',
          length: 2,
          virtualTokens: () => tokens,
          parameters: () => ({ tokens }),
          [Symbol.dispose]: () => tokens.dispose(),
        }
      },
    }
    using model = loadModel(LLAMA, { device: cpu })
    using _adapter = attachAdapter(model, narrow, {})
    const error = errorOf(() => logitsOf(model))
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toContain('virtualTokens() of narrow gave (2, 5), the model takes (2, 32)')
  })

  test('one that is no map of the weight cannot be merged', () => {
    const bent: LayerAdapterDefinition<object> = {
      name: 'bent',
      options,
      create: (): Adapter => ({
        kind: 'bent',
        forward: (x, base) => relu(baseForward(base, x)),
        parameters: () => ({}),
        [Symbol.dispose]() {},
      }),
    }
    using model = loadModel(LLAMA, { device: cpu })
    using _adapter = attachAdapter(model, bent, {}, { targetModules: ['q_proj'] })
    using temporary = temporaryFolder()
    const error = errorOf(() => saveModel(model, LLAMA, temporary.path))
    expect(error.code).toBe('E_UNSUPPORTED')
    expect(error.message).toContain('model.layers.0.self_attn.q_proj: bent cannot be merged into weights')
    activateAdapters(model, [])
    saveModel(model, LLAMA, temporary.path)
  })
})

test('a bias that the change reaches is merged too', () => {
  const doubled: LayerAdapterDefinition<object> = {
    name: 'doubled',
    options: defineConfig(v.strictObject({})),
    create: (): Adapter => ({
      kind: 'doubled',
      forward: (x, base) => mul(baseForward(base, x), 2),
      parameters: () => ({}),
      merge: (weight) => mul(weight, 2),
      mergeBias: (bias) => mul(bias, 2),
      [Symbol.dispose]() {},
    }),
  }
  using model = loadModel(GPT2, { device: cpu })
  const plain = logitsOf(model)
  using _adapter = attachAdapter(model, doubled, {}, { targetModules: ['c_fc'] })
  const adapted = logitsOf(model)
  expect(relativeError(adapted, plain)).toBeGreaterThan(1e-3)
  using temporary = temporaryFolder()
  saveModel(model, GPT2, temporary.path)
  const [before, after] = [GPT2, temporary.path].map((path) =>
    [...openCheckpoint(path).entries.keys()].toSorted(),
  )
  expect(after).toEqual(before)
  using again = loadModel(temporary.path, { device: cpu })
  expect(relativeError(logitsOf(again), adapted)).toBeLessThanOrEqual(1e-5)
})

test.each(['embed_tokens', 'lm_head'])(
  'of a tied pair, merging an adapter on %s gives each its own weight',
  (target) => {
    using temporary = temporaryFolder()
    const [base, merged] = ['base', 'merged'].map((name) => join(temporary.path, name))
    writeTinyModel(base)
    using model = loadModel(base, { device: cpu })
    const plain = logitsOf(model)
    using adapter =
      target === 'lm_head'
        ? attachLora(model, { targetModules: [target], rank: 2 })
        : attachAdapter(model, embeddingDelta, { rank: 2, alpha: 4 }, { targetModules: [target] })
    shake(adapter.parameters)
    const adapted = logitsOf(model)
    expect(relativeError(adapted, plain)).toBeGreaterThan(1e-2)
    saveModel(model, base, merged)
    expect(openCheckpoint(merged).entries.has('lm_head.weight')).toBe(true)
    using again = loadModel(merged, { device: cpu })
    expect(again.head.tiedTo).toBeNull()
    expect(relativeError(logitsOf(again), adapted)).toBeLessThanOrEqual(1e-5)
    saveAdapter(join(temporary.path, 'adapter'), adapter, { baseModel: base })
    adapter[Symbol.dispose]()
    expect(sameBytes(logitsOf(model), plain)).toBe(true)
    using _loaded = loadAdapter(model, join(temporary.path, 'adapter'), {
      definitions: { 'embedding-delta': embeddingDelta },
    })
    expect(sameBytes(logitsOf(model), adapted)).toBe(true)
  },
)

describe('the loss through adapters of the head', () => {
  const targets = IDS.map((id, i) => (i % 5 === 3 ? -100 : id))

  /** Loss, gradient of the hidden states and of the adapter. */
  function through(
    device: typeof cpu,
    options: { readonly rowsAtOnce?: number; readonly softcap?: number },
    dropout = 0,
  ): number[][] {
    using model = loadModel(LLAMA, { device })
    using adapter = attachLora(model, { targetModules: ['lm_head'], rank: 3, init: false, dropout })
    return withNoise({ seed: 1, step: 2, offset: 5 }, () => {
      using _scope = tensorScope()
      const values = Float32Array.from({ length: 14 * 32 }, (_, i) => Math.sin(0.7 * i))
      const hidden = tensor(values, { shape: [14, 32], device })
      hidden.requiresGrad = true
      const loss = headCrossEntropy(model.head, hidden, tensor(targets, { dtype: 'i32', device }), {
        scale: 0.25,
        ...options,
      })
      backward(loss)
      const gradients = [hidden, ...adapter.parameters.values()].map(({ grad }) => [
        ...(grad?.toArray() ?? []),
      ])
      return [[loss.item()], ...gradients]
    })
  }

  function expectSame(got: number[][], wanted: number[][]): void {
    expect(got).toHaveLength(wanted.length)
    for (const [i, values] of got.entries())
      expect(relativeError(values, wanted[i])).toBeLessThanOrEqual(1e-5)
  }

  test('does not depend on how many rows go at once, with dropout either', () => {
    for (const dropout of [0, 0.4]) {
      const whole = through(cpu, {}, dropout)
      for (const rowsAtOnce of [1, 3, 13]) expectSame(through(cpu, { rowsAtOnce }, dropout), whole)
      if (dropout > 0) expect(relativeError(whole[0], through(cpu, {})[0])).toBeGreaterThan(1e-3)
    }
  })

  test('is the fused loss with the merged weight, with a softcap too', () => {
    for (const softcap of [0, 3]) {
      const got = through(referenceDevice, { softcap })
      using model = loadModel(LLAMA, { device: referenceDevice })
      using _adapter = attachLora(model, { targetModules: ['lm_head'], rank: 3, init: false })
      using _scope = tensorScope()
      const values = Float32Array.from({ length: 14 * 32 }, (_, i) => Math.sin(0.7 * i))
      const hidden = tensor(values, { shape: [14, 32] })
      hidden.requiresGrad = true
      const weight = mergedWeight(model.head)
      const loss = linearCrossEntropy(hidden, weight, tensor(targets, { dtype: 'i32' }), {
        scale: 0.25,
        softcap,
      })
      backward(loss)
      expectSame(got.slice(0, 2), [[loss.item()], [...(hidden.grad?.toArray() ?? [])]])
    }
  })
})

test('two deltas survive bf16: their sum is rounded once, not lost beside the layer', () => {
  using model = loadModel(LLAMA, { device: cpu, dtype: 'bf16' })
  using a = attachLora(model, { targetModules: ['q_proj'], rank: 2, name: 'a' })
  using b = attachLora(model, { targetModules: ['q_proj'], rank: 2, name: 'b' })
  shake(a.parameters, 0.02)
  shake(b.parameters, 0.02)
  const layer = layerOf(model, 'model.layers.0.self_attn.q_proj')
  noGrad(() => {
    using _scope = tensorScope()
    const values = Float32Array.from({ length: 64 }, (_, i) => Math.cos(i))
    const x = tensor(values, { shape: [2, 32], dtype: 'bf16', device: cpu })
    const delta = layer.adapters
      .map(({ adapter }) => scoped(() => cast(adapter.delta?.(x, layer) ?? sub(x, x), 'f32')))
      .reduce(add)
    const base = cast(baseForward(layer, x), 'f32')
    const sum = cast(forwardLayer(layer, x), 'f32').toArray()
    const exact = add(base, delta).toArray()
    for (const [i, y] of sum.entries())
      expect(Math.abs(y - exact[i])).toBeLessThanOrEqual(Math.abs(exact[i]) / 100)
  })
})
