/**
 * Every method but LoRA's family by itself: on every kind of base, merged and taken out again, dropped, refused. What they compute is
 * compared with PEFT in methods.test.ts.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import {
  type Adapter,
  add,
  type AnyAdapterDefinition,
  backward,
  baseForward,
  type BaseLayer,
  cast,
  denseWeight,
  linear,
  noGrad,
  quantize4bit,
  quantizeInt8,
  type QuantizedWeight,
  sub,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  withNoise,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { mersenneTwister } from '../../../plugins/peft/delta/mersenne.ts'
import { splitDimension } from '../../../plugins/peft/methods/lokr.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  adalora,
  attachAdapter,
  boft,
  ia3,
  loadAdapter,
  loha,
  lokr,
  miss,
  oft,
  vera,
} from '../../../plugins/peft/mod.ts'
import { GOLDEN, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const [INPUTS, OUTPUTS, ROWS] = [64, 96, 5]

type Options = Readonly<Record<string, unknown>>

const METHODS: readonly (readonly [string, AnyAdapterDefinition, Options])[] = [
  ['ia3', ia3, {}],
  ['ia3 of inputs', ia3, { feedforward_modules: ['proj'] }],
  ['loha', loha, { r: 3, alpha: 5 }],
  ['loha of a high rank', loha, { r: 9, alpha: 5 }],
  ['lokr', lokr, { r: 2, alpha: 4 }],
  ['lokr with whole factors', lokr, { r: 64, alpha: 64 }],
  ['lokr with both in parts', lokr, { r: 2, alpha: 3, decompose_both: true, decompose_factor: 8 }],
  ['vera', vera, { r: 7 }],
  ['miss', miss, { r: 8 }],
  ['miss with a rest', miss, { r: 10 }],
  ['miss mini', miss, { r: 8, mini_r: 12, init_weights: 'mini' }],
  ['miss bat', miss, { r: 8, init_weights: 'bat' }],
  ['oft', oft, { oft_block_size: 4 }],
  ['oft with exact rotations', oft, { r: 4, use_cayley_neumann: false }],
  ['oft with one rotation', oft, { oft_block_size: 8, block_share: true, use_cayley_neumann: false }],
  ['oft within a limit', oft, { oft_block_size: 16, coft: true, eps: 0.5 }],
  ['boft', boft, {}],
  ['boft in stages', boft, { boft_block_size: 8, boft_n_butterfly_factor: 4 }],
  ['adalora', adalora, { init_r: 5, target_r: 3, total_step: 9 }],
]

/** The same numbers every time, of both signs. */
function numbers(count: number, scale: number, seed = 1): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647
    return scale * (state / 1073741823 - 1)
  })
}

function layerWith(weight: Tensor | QuantizedWeight, bias: Tensor | null): BaseLayer {
  return {
    path: 'model.layers.0.proj',
    kind: 'linear',
    inputs: INPUTS,
    outputs: OUTPUTS,
    weight,
    bias,
    transposed: false,
    device: cpu,
    tiedTo: null,
  }
}

interface Made extends Disposable {
  readonly adapter: Adapter
}

/** On one layer, with random numbers in everything that is trained. */
function make(definition: AnyAdapterDefinition, options: Options, layer: BaseLayer, shaken = true): Made {
  const checked = definition.options.validate(options) as never
  if ('createForModel' in definition) throw new Error('of layers only')
  const shared = 'createShared' in definition ? definition.createShared([layer], checked, { seed: 3 }) : null
  const adapter =
    'createShared' in definition ? shared?.adapters[0] : definition.create(layer, checked, { seed: 3 })
  if (!adapter) throw new Error('there is none')
  if (shaken)
    for (const [i, parameter] of Object.values(adapter.parameters()).entries())
      parameter.set(numbers(parameter.size, 0.3, i + 2).map((x, at) => x + parameter.toArray()[at]))
  return {
    adapter,
    [Symbol.dispose]() {
      adapter[Symbol.dispose]()
      shared?.[Symbol.dispose]()
    },
  }
}

const f32Weight = (): Tensor =>
  tensor(numbers(OUTPUTS * INPUTS, 0.2), { shape: [OUTPUTS, INPUTS], device: cpu })

type Base = readonly [
  name: string,
  dtype: 'f32' | 'bf16',
  pack: (weight: Tensor) => Tensor | QuantizedWeight,
  tolerance: number,
]

const BASES: readonly Base[] = [
  ['f32', 'f32', (weight) => weight, 2e-6],
  ['bf16', 'bf16', (weight) => cast(weight, 'bf16'), 2e-2],
  ['nf4', 'f32', (weight) => quantize4bit(weight, { kind: 'nf4' }), 2e-6],
  ['fp4', 'bf16', (weight) => quantize4bit(weight, { kind: 'fp4' }), 2e-2],
  ['int8', 'f32', (weight) => quantizeInt8(weight), 2e-2], // inputs are rounded there
]

describe.each(BASES)('on a base of %s', (_, dtype, pack, tolerance) => {
  test.each(METHODS)('%s is the layer with its merged weight, and trains', (__, definition, options) => {
    using _scope = tensorScope()
    const bias = cast(tensor(numbers(OUTPUTS, 0.5, 9), { device: cpu }), dtype)
    const layer = layerWith(
      noGrad(() => pack(f32Weight())),
      bias,
    )
    using made = make(definition, options, layer)
    const { adapter } = made
    const x = cast(tensor(numbers(ROWS * INPUTS, 1, 7), { shape: [ROWS, INPUTS], device: cpu }), dtype)
    const y = adapter.forward(x, layer)
    expect(y.dtype).toBe(dtype)

    const merged = noGrad(() => adapter.merge?.(denseWeight(layer)))
    if (!merged) throw new Error('it cannot be merged')
    const wide = cast(bias, 'f32')
    const expected = linear(cast(x, 'f32'), cast(merged, 'f32'), { bias: adapter.mergeBias?.(wide) ?? wide })
    expect(relativeError(cast(y, 'f32').toArray(), expected.toArray())).toBeLessThanOrEqual(tolerance)

    const plain = baseForward(layer, x)
    const change = adapter.delta?.(x, layer)
    if (!change) throw new Error('it has no delta')
    const sumOfBoth = cast(add(plain, change), 'f32')
    expect(relativeError(sumOfBoth.toArray(), expected.toArray())).toBeLessThanOrEqual(tolerance)

    backward(sum(cast(y, 'f32')))
    for (const parameter of Object.values(adapter.parameters())) {
      const gradient = parameter.grad?.toArray() ?? new Float32Array()
      expect(gradient.length).toBe(parameter.size)
      expect(gradient.some((value) => value !== 0) && gradient.every(Number.isFinite)).toBe(true)
      parameter.grad?.dispose()
      parameter.grad = null
    }
  })
})

test.each(METHODS)('%s merged and taken out again is the weight that was there', (_, definition, options) => {
  using _scope = tensorScope()
  const weight = f32Weight()
  using made = make(definition, options, layerWith(weight, null))
  const { adapter } = made
  const merged = adapter.merge?.(weight)
  const back = merged && adapter.unmerge?.(merged)
  expect(relativeError(merged?.toArray() ?? [], weight.toArray())).toBeGreaterThan(0.05)
  expect(relativeError(back?.toArray() ?? [], weight.toArray())).toBeLessThanOrEqual(1e-6)
})

test.each(METHODS)('%s does nothing at first, and the same seed gives the same', (_, definition, options) => {
  using _scope = tensorScope()
  const layer = layerWith(f32Weight(), null)
  const x = tensor(numbers(ROWS * INPUTS, 1, 7), { shape: [ROWS, INPUTS], device: cpu })
  using one = make(definition, options, layer, false)
  using other = make(definition, options, layer, false)
  expect(relativeError(one.adapter.forward(x, layer).toArray(), baseForward(layer, x).toArray())).toBe(0)
  const all = ({ adapter }: Made): number[][] =>
    Object.values(adapter.parameters()).map((parameter) => [...parameter.toArray()])
  expect(all(one)).toEqual(all(other))
})

test.each([
  ['ia3', ia3, { init_ia3_weights: false }],
  ['loha', loha, { r: 3, init_weights: false }],
  ['lokr', lokr, { r: 2, init_weights: false }],
  ['vera', vera, { r: 7, init_weights: false }],
  ['miss', miss, { r: 8, init_weights: false }],
] as const)('%s without its start does something at once', (_, definition, options) => {
  using _scope = tensorScope()
  const layer = layerWith(f32Weight(), null)
  const x = tensor(numbers(ROWS * INPUTS, 1, 7), { shape: [ROWS, INPUTS], device: cpu })
  using made = make(definition, options, layer, false)
  const y = made.adapter.forward(x, layer)
  expect(relativeError(y.toArray(), baseForward(layer, x).toArray())).toBeGreaterThan(0.01)
})

test('loha gives the same by pairs of columns as by a whole matrix', () => {
  using _scope = tensorScope()
  const [thin, dense] = [8, 256].map((size) => {
    const weight = tensor(numbers(size * size, 0.1), { shape: [size, size], device: cpu })
    return { ...layerWith(weight, null), inputs: size, outputs: size }
  })
  // r² · (in + out) against in · out: 4 · 16 ≤ 64 holds, 9 · 16 does not.
  for (const [layer, r] of [
    [thin, 2],
    [thin, 3],
    [dense, 11],
    [dense, 12],
  ] as const) {
    using made = make(loha, { r }, layer)
    const x = tensor(numbers(3 * layer.inputs, 1, 7), { shape: [3, layer.inputs], device: cpu })
    const merged = made.adapter.merge?.(denseWeight(layer)) ?? x
    expect(
      relativeError(made.adapter.forward(x, layer).toArray(), linear(x, merged).toArray()),
    ).toBeLessThanOrEqual(2e-6)
  }
})

describe('dropout', () => {
  const step = (at: number): { seed: number; step: number } => ({ seed: 5, step: at })

  function change(made: Made, layer: BaseLayer, at: number | null): Float32Array {
    const x = tensor(numbers(ROWS * INPUTS, 1, 7), { shape: [ROWS, INPUTS], device: cpu })
    return withNoise(at === null ? null : step(at), () =>
      sub(made.adapter.forward(x, layer), baseForward(layer, x)).toArray(),
    )
  }

  test.each([
    ['loha', loha, { r: 3, rank_dropout: 0.4 }, true],
    ['loha of a high rank', loha, { r: 9, rank_dropout: 0.4 }, true],
    ['lokr', lokr, { r: 2, rank_dropout: 0.4 }, false],
    ['lokr, scaled', lokr, { r: 2, rank_dropout: 0.4, rank_dropout_scale: true }, true],
  ] as const)('%s drops outputs in training only', (_, definition, options, isScaled) => {
    using _scope = tensorScope()
    const layer = layerWith(f32Weight(), null)
    using made = make(definition, options, layer)
    const [plain, first] = [change(made, layer, null), change(made, layer, 1)]
    expect(change(made, layer, 1)).toEqual(first)
    expect(change(made, layer, 2)).not.toEqual(first)
    const isKept = Array.from({ length: OUTPUTS }, (_unused, o) => Math.abs(first[o]) > 1e-5)
    const kept = isKept.filter(Boolean).length
    expect(kept).toBeGreaterThan(OUTPUTS * 0.4)
    expect(kept).toBeLessThan(OUTPUTS * 0.8)
    const factor = isScaled ? OUTPUTS / kept : 1
    for (const [i, value] of first.entries())
      expect(Math.abs(value - (isKept[i % OUTPUTS] ? factor * plain[i] : 0))).toBeLessThanOrEqual(1e-4)
  })

  test.each([
    ['loha', loha, { r: 3, module_dropout: 0.5 }],
    ['lokr', lokr, { r: 2, module_dropout: 0.5 }],
  ] as const)('%s leaves out a layer in some steps', (_, definition, options) => {
    using _scope = tensorScope()
    const layer = layerWith(f32Weight(), null)
    using made = make(definition, options, layer)
    const isOff = Array.from({ length: 40 }, (_unused, at) => change(made, layer, at).every((v) => v === 0))
    const off = isOff.filter(Boolean).length
    expect(off).toBeGreaterThan(10)
    expect(off).toBeLessThan(30)
    const at = isOff.indexOf(true)
    const x = tensor(numbers(INPUTS, 1, 7), { shape: [1, INPUTS], device: cpu })
    const delta = withNoise(step(at), () => made.adapter.delta?.(x, layer).toArray())
    expect(delta).toEqual(new Float32Array(OUTPUTS))
    expect(change(made, layer, null).some((value) => value !== 0)).toBe(true)
  })

  test.each([
    ['vera', vera, { r: 7, vera_dropout: 0.5 }],
    ['miss', miss, { r: 8, miss_dropout: 0.5 }],
  ] as const)('%s drops inputs in training only', (_, definition, options) => {
    using _scope = tensorScope()
    const layer = layerWith(f32Weight(), null)
    using made = make(definition, options, layer)
    using without = make(definition, { r: options.r }, layer)
    expect(change(made, layer, null)).toEqual(change(without, layer, null))
    const first = change(made, layer, 1)
    expect(first).toEqual(change(made, layer, 1))
    expect(first).not.toEqual(change(made, layer, 2))
    const x = tensor(numbers(ROWS * INPUTS, 1, 7), { shape: [ROWS, INPUTS], device: cpu })
    const delta = withNoise(step(1), () => made.adapter.delta?.(x, layer).toArray())
    expect(relativeError(delta ?? [], first)).toBeLessThanOrEqual(1e-5)
  })
})

/** `factorization(dimension, factor)` of PEFT. */
const SPLITS = [
  [256, -1, 16, 16],
  [128, -1, 8, 16],
  [127, -1, 1, 127],
  [128, 4, 4, 32],
  [576, -1, 24, 24],
  [1536, -1, 32, 48],
  [49152, -1, 192, 256],
  [44, 8, 4, 11],
  [32, 8, 8, 4],
  [100, 8, 5, 20],
  [30, 4, 3, 10],
  [45, 6, 5, 9],
  [7, 7, 7, 1],
  [1, -1, 1, 1],
  [4096, 16, 16, 256],
  [2048, 5, 4, 512],
] as const

describe('numbers of others', () => {
  test('the Mersenne twister of the paper', () => {
    const next = mersenneTwister(5489)
    expect([next(), next(), next()]).toEqual([3499211612, 581869302, 3890346734])
    let last = 0
    for (let i = 3; i < 10_000; i++) last = next()
    expect(last).toBe(4123659995) // the 10000th, as C++ guarantees it of std::mt19937
    expect(mersenneTwister(2 ** 32 + 5489)()).toBe(3499211612)
  })

  test('dimensions are split as PEFT splits them', () => {
    for (const [dimension, factor, m, n] of SPLITS)
      expect([dimension, factor, ...splitDimension(dimension, factor)]).toEqual([dimension, factor, m, n])
  })
})

describe('a folder that is not right', () => {
  const BASE = join(GOLDEN, 'peft-train/base')

  function errorOf(name: string, changes: Options): TrituneError {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    cpSync(join(GOLDEN, 'peft-methods', name), folder, { recursive: true })
    const file = join(folder, 'adapter_config.json')
    const config = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify({ ...config, ...changes }))
    using model = loadModel(BASE, { device: cpu })
    try {
      using _adapter = loadAdapter(model, folder)
    } catch (error) {
      expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
      if (error instanceof TrituneError) return error
      throw error
    }
    throw new Error('it was taken')
  }

  test.each([
    ['loha', { r: 0 }, 'r: '],
    ['loha', { alpha: 'NaN' }, 'alpha: '],
    ['loha', { alpha: -1 }, 'alpha: '],
    ['loha', { r: 4 }, 'has shape'],
    ['loha', { rank_pattern: { q_proj: 0 } }, 'rank_pattern'],
    ['lokr', { decompose_both: true, r: 1 }, 'lokr_w1'],
    ['lokr', { decompose_factor: 0 }, 'decompose_factor: '],
    ['lokr', { init_weights: 'zero' }, 'init_weights: '],
    ['vera', { bias: 'some' }, 'bias'],
    ['vera', { r: 7 }, 'has shape'],
    ['vera', { save_projection: false }, 'vera_A'],
    ['vera-unsaved', { save_projection: true }, 'vera_A'],
    ['miss', { init_weights: 'mini', mini_r: 7 }, 'does not divide'],
    ['miss', { init_weights: 'bat', r: 5 }, 'does not divide'],
    ['miss', { r: 100 }, 'r is 100, but no side of a tensor'],
    ['ia3', { feedforward_modules: ['q_proj'] }, 'has shape'],
    ['ia3', { feedforward_modules: '(' }, 'feedforward_modules: "(" is not a regular expression'],
  ] as const)('%s with %p is refused', (name, changes, message) => {
    const error = errorOf(name, changes)
    expect(error.message).toContain(message)
    expect(['E_ADAPTER', 'E_UNSUPPORTED', 'E_CONFIG']).toContain(error.code)
  })

  test('fields that say nothing are no reason', () => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    cpSync(join(GOLDEN, 'peft-methods/loha'), folder, { recursive: true })
    const file = join(folder, 'adapter_config.json')
    const config = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify({ ...config, use_more: false, more: null, lists: [], maps: {} }))
    using model = loadModel(BASE, { device: cpu })
    using adapter = loadAdapter(model, folder)
    expect(adapter.kind).toBe('loha')
  })

  test('what layers share without a layer is refused', () => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    cpSync(join(GOLDEN, 'peft-methods/vera'), folder, { recursive: true })
    writeSafetensors(join(folder, 'adapter_model.safetensors'), [
      { name: 'base_model.vera_A', dtype: 'f32', shape: [1], chunks: () => [new Uint8Array(4)] },
    ])
    using model = loadModel(BASE, { device: cpu })
    expect(() => loadAdapter(model, folder)).toThrow('the adapter has tensors for no layer')
  })

  test('a pattern that names no module is refused when the adapter is made', () => {
    using model = loadModel(BASE, { device: cpu })
    const options = loha.options.validate({ rank_pattern: { q_prj: 2 } })
    expect(() => attachAdapter(model, loha, options, { targetModules: ['q_proj'] })).toThrow(
      'rank_pattern: "q_prj"',
    )
  })
})
