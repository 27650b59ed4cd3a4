/**
 * Adapters that are made from others, beside PEFT's `add_weighted_adapter`; the random choice of DARE by its statistics.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Matrix, product } from '../../../core/linalg/matrix.ts'
import {
  activateAdapters,
  adapterNames,
  linearMap,
  matrix,
  TrituneError,
  withAdapters,
} from '../../../core/mod.ts'
import { promptTokens } from '../../../docs/examples/prompt-tokens.ts'
import { reflection } from '../../../docs/examples/reflection.ts'
import { vectorScale } from '../../../docs/examples/vector-scale.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { denseFactors, type Factors, productFactors } from '../../../plugins/peft/combine/low-rank.ts'
import { keepLargest, keepRandom } from '../../../plugins/peft/combine/prune.ts'
import {
  addWeightedAdapter,
  attachAdapter,
  type AttachedAdapter,
  attachLora,
  COMBINE_METHODS,
  type CombineOptions,
  loadAdapter,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { logitsOf, readFloats, relativeError, sameBytes, temporaryFolder } from '../../_golden.ts'
import { changeOf, combineAs, openModel, openSeveral } from './_several.ts'

const cpu = openCpu()
const golden = openSeveral()
const { expected, sequence: SEQUENCE, info, base: LLAMA } = golden

function openAll(): ReturnType<typeof openModel> {
  return openModel(golden, cpu)
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

describe('methods', () => {
  test('all that PEFT has are compared', () => {
    const compared = Object.values(info.methods).map(
      ({ arguments: { combination_type } }) => combination_type,
    )
    expect([...new Set(compared)].toSorted()).toEqual([...COMBINE_METHODS].toSorted())
  })

  test.each(Object.entries(info.methods))('%s: changes, logits, rank and targets of PEFT', (name, method) => {
    using all = openAll()
    const { model } = all
    using made = combineAs(model, name, method)
    expect(made.config).toMatchObject({
      r: method.rank,
      lora_alpha: method.rank,
      use_rslora: false,
      peft_type: 'LORA',
    })
    expect([...(made.config['target_modules'] as string[])].toSorted()).toEqual([...method.targets])
    const changed = [...expected.entries.keys()].filter((key) => key.startsWith(`${name}.model.`))
    expect(changed.length).toBeGreaterThan(0)
    for (const key of changed)
      expect(
        relativeError(changeOf(made, key.slice(name.length + 1)), readFloats(expected, key)),
        key,
      ).toBeLessThanOrEqual(5e-6)
    activateAdapters(model, [name])
    const logits = logitsOf(model, SEQUENCE)
    expect(relativeError(logits, readFloats(expected, `${name}.logits`))).toBeLessThanOrEqual(1e-5)
    using temporary = temporaryFolder()
    saveAdapter(temporary.path, made, { baseModel: null })
    using again = loadModel(LLAMA, { device: cpu })
    using _loaded = loadAdapter(again, temporary.path)
    expect(sameBytes(logitsOf(again, SEQUENCE), logits)).toBe(true)
  })

  test('cat and svd of full rank are the weighted sum of the adapters', () => {
    using all = openAll()
    const { model } = all
    const weights = { a: 0.7, b: -0.4, c: 0.25 }
    const wanted = withAdapters(model, weights, () => logitsOf(model, SEQUENCE))
    for (const options of [{ method: 'cat' }, { method: 'svd', rank: 11 }] as const) {
      using made = addWeightedAdapter(model, 'sum', weights, options)
      activateAdapters(model, [made.name])
      expect(relativeError(logitsOf(model, SEQUENCE), wanted), options.method).toBeLessThanOrEqual(1e-5)
    }
  })

  test('cat of more ranks than a layer has is loaded again', () => {
    using all = openAll()
    const { model } = all
    using _d = attachLora(model, { targetModules: ['v_proj'], rank: 16, init: false, name: 'd' })
    using made = addWeightedAdapter(model, 'made', { a: 1, d: 0.5 }, { method: 'cat' })
    activateAdapters(model, { a: 1, d: 0.5 })
    const wanted = logitsOf(model, SEQUENCE)
    using temporary = temporaryFolder()
    saveAdapter(temporary.path, made, { baseModel: null })
    using again = loadModel(LLAMA, { device: cpu })
    using loaded = loadAdapter(again, temporary.path)
    expect(loaded.config).toMatchObject({ r: 20 })
    expect(relativeError(logitsOf(again, SEQUENCE), wanted)).toBeLessThanOrEqual(1e-5)
  })

  test('what took a part of the base over counts whole; DoRA is combined by its change', () => {
    using model = loadModel(LLAMA, { device: cpu })
    const shakeAll = (adapter: AttachedAdapter): AttachedAdapter => {
      for (const [name, one] of adapter.parameters)
        if (!name.includes('magnitude')) one.set(one.toArray().map((value, i) => value + Math.sin(i) / 8))
      return adapter
    }
    using pissa = shakeAll(
      attachLora(model, { targetModules: ['q_proj'], rank: 2, init: 'pissa', name: 'pissa' }),
    )
    using dora = shakeAll(attachLora(model, { targetModules: ['v_proj'], rank: 2, dora: true, name: 'dora' }))
    const wanted = logitsOf(model, SEQUENCE)
    using one = addWeightedAdapter(model, 'one', { [pissa.name]: 1, [dora.name]: 1 }, { rank: 16 })
    activateAdapters(model, [one.name])
    expect(relativeError(logitsOf(model, SEQUENCE), wanted)).toBeLessThanOrEqual(1e-4)
    using cat = addWeightedAdapter(model, 'cat', { pissa: 1 }, { method: 'cat' })
    expect(cat.config).toMatchObject({ r: 4 })
    expect(
      errorOf(() => addWeightedAdapter(model, 'two', { pissa: 1, dora: 1 }, { method: 'cat' })).code,
    ).toBe('E_UNSUPPORTED')
  })

  test('embeddings and heads are combined too', () => {
    using model = loadModel(LLAMA, { device: cpu })
    const targetModules = ['embed_tokens', 'lm_head']
    using _a = attachLora(model, { targetModules, rank: 2, init: false, name: 'a' })
    using _b = attachLora(model, { targetModules, rank: 2, init: false, seed: 1, name: 'b' })
    activateAdapters(model, { a: 1, b: -0.5 })
    const wanted = logitsOf(model, SEQUENCE)
    for (const options of [
      { method: 'cat' },
      { method: 'svd', rank: 4 },
      { method: 'ties_svd', density: 1, rank: 4 },
    ] as const) {
      using made = addWeightedAdapter(model, 'made', { a: 1, b: -0.5 }, options)
      activateAdapters(model, ['made'])
      const far = relativeError(logitsOf(model, SEQUENCE), wanted)
      if (options.method === 'ties_svd') expect(far).toBeGreaterThan(1e-2)
      else expect(far).toBeLessThanOrEqual(1e-4)
      expect([...made.tensors.keys()].some((name) => name.endsWith('embed_tokens.lora_embedding_A'))).toBe(
        true,
      )
    }
  })

  test('the new one is off, the others stay as they are', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, { b: 0.5 })
    const before = logitsOf(model, SEQUENCE)
    using made = addWeightedAdapter(model, 'made', { a: 1, c: 1 })
    expect(adapterNames(model)).toEqual(['a', 'b', 'c', 'made'])
    expect(sameBytes(logitsOf(model, SEQUENCE), before)).toBe(true)
    expect(made.kind).toBe('lora')
  })

  test('DARE keeps what the seed says, and on average the sum', () => {
    using all = openAll()
    const { model } = all
    const path = 'model.layers.1.self_attn.v_proj' // (16, 32): rank 16 is all of it
    const changes = [1, 1, 2].map((seed) => {
      using made = addWeightedAdapter(
        model,
        'dare',
        { a: 1, c: 1 },
        { method: 'dare_linear_svd', density: 0.5, rank: 16, seed },
      )
      return changeOf(made, path)
    })
    expect(changes[0]).toEqual(changes[1])
    expect(changes[0]).not.toEqual(changes[2])
    const sum = new Float64Array(changes[0].length)
    const rounds = 200
    for (let seed = 0; seed < rounds; seed++) {
      using made = addWeightedAdapter(
        model,
        'dare',
        { a: 1, c: 1 },
        { method: 'dare_linear_svd', density: 0.5, rank: 16, seed },
      )
      for (const [i, value] of changeOf(made, path).entries()) sum[i] += value / rounds
    }
    using whole = addWeightedAdapter(model, 'whole', { a: 1, c: 1 }, { method: 'svd', rank: 7 })
    const wanted = changeOf(whole, path)
    const size = Math.sqrt(wanted.reduce((total, value) => total + value * value, 0) / wanted.length)
    const off = Math.sqrt(sum.reduce((total, value, i) => total + (value - wanted[i]) ** 2, 0) / sum.length)
    expect(off / size).toBeLessThan(3 / Math.sqrt(rounds))
    expect(off / size).toBeGreaterThan(0.2 / Math.sqrt(rounds))
  })

  test('methods on the change of the weight take any adapter that can be merged', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using scale = attachAdapter(model, vectorScale, { init: 1 }, { targetModules: ['v_proj'], name: 'scale' })
    for (const vector of scale.parameters.values())
      vector.set(Float32Array.from({ length: vector.size }, (_, i) => 1 + (i % 3) / 4))
    using turn = attachAdapter(model, reflection, {}, { targetModules: ['q_proj'], name: 'turn' })
    const wanted = logitsOf(model, SEQUENCE)
    using made = addWeightedAdapter(model, 'made', { scale: 1, turn: 1 }, { rank: 16 })
    expect([...made.adapters.keys()]).toHaveLength(scale.adapters.size + turn.adapters.size)
    activateAdapters(model, ['made'])
    expect(relativeError(logitsOf(model, SEQUENCE), wanted)).toBeLessThanOrEqual(1e-4)
  })

  test('adapters of one expression are on the layers that it gave', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using _a = attachLora(model, {
      targetModules: String.raw`.*\.1\..*q_proj`,
      rank: 2,
      init: false,
      name: 'a',
    })
    using _b = attachLora(model, {
      targetModules: ['v_proj'],
      layersToTransform: [2],
      rank: 2,
      init: false,
      name: 'b',
    })
    using made = addWeightedAdapter(model, 'made', { a: 1, b: 1 }, { method: 'cat' })
    expect([...made.adapters.keys()]).toEqual([
      'model.layers.1.self_attn.q_proj',
      'model.layers.2.self_attn.v_proj',
    ])
    using temporary = temporaryFolder()
    saveAdapter(temporary.path, made, { baseModel: null })
    const config: Record<string, unknown> = JSON.parse(
      readFileSync(join(temporary.path, 'adapter_config.json'), 'utf8'),
    )
    expect(config['target_modules']).toEqual([...made.adapters.keys()])
  })
})

describe('what cannot be is refused and leaves the model as it was', () => {
  test.each<[string, Readonly<Record<string, number>>, CombineOptions, string, string]>([
    ['an unknown adapter', { a: 1, d: 1 }, {}, 'E_NAME', '"d"'],
    ['no adapters', {}, {}, 'E_ADAPTER', 'no adapters'],
    ['a weight of NaN', { a: Number.NaN, b: 1 }, {}, 'E_ADAPTER', 'NaN'],
    ['ranks that differ', { a: 1, c: 1 }, { method: 'linear' }, 'E_ADAPTER', '4 and 3'],
    ['no density', { a: 1, b: 1 }, { method: 'ties' }, 'E_CONFIG', 'density: expected'],
    ['a density above 1', { a: 1, b: 1 }, { method: 'ties', density: 1.5 }, 'E_CONFIG', 'density'],
    ['a density of 0 in dare', { a: 1, b: 1 }, { method: 'dare_ties', density: 0 }, 'E_CONFIG', 'density'],
    ['a rank of 0', { a: 1, b: 1 }, { rank: 0 }, 'E_CONFIG', 'rank'],
    ['a clamp of 2', { a: 1, b: 1 }, { clamp: 2 }, 'E_CONFIG', 'clamp'],
    ['a seed of -1', { a: 1, b: 1 }, { seed: -1 }, 'E_CONFIG', 'seed'],
    ['factors of another method', { a: 1, scale: 1 }, { method: 'cat' }, 'E_UNSUPPORTED', 'svd'],
    ['what stands before the text', { a: 1, prompt: 1 }, {}, 'E_UNSUPPORTED', 'prompt'],
    ['no rank', { scale: 1, scale2: 1 }, {}, 'E_CONFIG', 'rank'],
  ])('%s', (_, weights, options, code, said) => {
    using all = openAll()
    const { model } = all
    const on = (name: string): AttachedAdapter =>
      all.use(attachAdapter(model, vectorScale, { init: 1 }, { targetModules: ['v_proj'], name }))
    on('scale')
    on('scale2')
    all.use(attachAdapter(model, promptTokens, { tokens: 2 }, { name: 'prompt' }))
    const names = adapterNames(model)
    const error = errorOf(() => addWeightedAdapter(model, 'made', weights, options))
    expect(error.code).toBe(code as TrituneError['code'])
    expect(error.message).toContain(said)
    expect(adapterNames(model)).toEqual(names)
  })

  test('what is trained beside an adapter', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using _a = attachLora(model, {
      targetModules: ['q_proj'],
      rank: 2,
      modulesToSave: ['lm_head'],
      name: 'a',
    })
    using _b = attachLora(model, {
      targetModules: ['q_proj'],
      rank: 2,
      trainableTokenIndices: [1],
      name: 'b',
    })
    for (const name of ['a', 'b'])
      for (const method of ['svd', 'cat'] as const)
        expect(errorOf(() => addWeightedAdapter(model, 'made', { [name]: 1 }, { method })).message).toContain(
          'cannot be combined',
        )
  })

  test('names that are taken, methods that there are not', () => {
    using all = openAll()
    expect(errorOf(() => addWeightedAdapter(all.model, 'c', { a: 1, b: 1 })).code).toBe('E_ADAPTER')
    const plan: Record<string, unknown> = { method: 'dare_lineer', majoritySign: 'most' }
    const error = errorOf(() => addWeightedAdapter(all.model, 'made', { a: 1, b: 1 }, plan))
    expect(error.remedy).toContain('did you mean "dare_linear"')
    const sign = errorOf(() =>
      addWeightedAdapter(all.model, 'made', { a: 1, b: 1 }, { ...plan, method: 'ties', density: 1 }),
    )
    expect(sign.message).toContain('majoritySign')
  })

  test('a layer whose rank differs from that of the others', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using _a = attachLora(model, {
      targetModules: ['q_proj', 'v_proj'],
      rank: 4,
      rankPattern: { v_proj: 2 },
      name: 'a',
    })
    using _b = attachLora(model, { targetModules: ['q_proj', 'v_proj'], rank: 4, name: 'b' })
    const error = errorOf(() => addWeightedAdapter(model, 'made', { a: 1, b: 1 }, { method: 'linear' }))
    expect(error.message).toContain('is 2 in model.layers.0.self_attn.v_proj')
    expect(adapterNames(model)).toEqual(['a', 'b'])
  })
})

describe('pruning', () => {
  test('keeps the largest, of equal ones the first, and whole numbers of them', () => {
    const values = Float32Array.of(1, -3, 2, -2, 0.5, 3)
    expect([...keepLargest(values, 0.5)]).toEqual([0, -3, 2, 0, 0, 3])
    expect([...keepLargest(values, 0.99)]).toEqual([1, -3, 2, -2, 0, 3])
    expect([...keepLargest(values, 0)]).toEqual([0, 0, 0, 0, 0, 0])
    expect(keepLargest(values, 1)).toBe(values)
    expect([...keepRandom(values, 0.5, (i) => i % 2 === 0)]).toEqual([2, 0, 4, 0, 1, 0])
    expect(keepRandom(values, 1, () => false)).toBe(values)
  })
})

describe('factors of the nearest change', () => {
  const made = (rows: number, columns: number, value: (i: number) => number): Matrix =>
    matrix(
      rows,
      columns,
      Float64Array.from({ length: rows * columns }, (_, i) => value(i)),
    )
  const noise = (i: number): number => Math.sin(i * i * 0.7 + i) * 3
  const joined = ({ a, b }: Factors, [rows, rank, columns]: readonly number[]): Float64Array =>
    product(
      made(rows, rank, (i) => b[i]),
      made(rank, columns, (i) => a[i]),
    ).data

  test('of a product: those of the dense matrix, whatever its shape', () => {
    for (const [rows, inner, columns] of [
      [12, 4, 9],
      [9, 4, 12],
      [3, 5, 4],
    ]) {
      const [left, right] = [made(rows, inner, noise), made(inner, columns, (i) => noise(i + 50))]
      const whole = product(left, right)
      const options = { rank: 2, clamp: null }
      const near = joined(productFactors(left, right, options), [rows, 2, columns])
      expect(
        relativeError(near, joined(denseFactors(linearMap(whole), options), [rows, 2, columns])),
      ).toBeLessThanOrEqual(1e-6)
      expect(relativeError(near, whole.data)).toBeGreaterThan(1e-2)
      const all = { rank: 6, clamp: null }
      expect(
        relativeError(joined(productFactors(left, right, all), [rows, 6, columns]), whole.data),
      ).toBeLessThanOrEqual(1e-6)
    }
  })

  test('a clamp cuts them at a quantile', () => {
    const [left, right] = [made(12, 4, noise), made(4, 9, (i) => Math.cos(3 * i))]
    const { a, b } = productFactors(left, right, { rank: 3, clamp: null })
    const cut = productFactors(left, right, { rank: 3, clamp: 0.75 })
    const largest = Math.max(...cut.a.map(Math.abs), ...cut.b.map(Math.abs))
    const all = Float32Array.from([...b, ...a]).toSorted()
    const place = 0.75 * (all.length - 1)
    const [low, high] = [all[Math.floor(place)], all[Math.ceil(place)]]
    expect(Math.abs(largest - (low + (place % 1) * (high - low)))).toBeLessThanOrEqual(1e-6)
  })
})
