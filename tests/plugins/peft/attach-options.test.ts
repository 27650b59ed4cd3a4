/**
 * What `attachAdapter()` and `attachLora()` are told, by programs that no types check: each mistake is an error that names its place, and the
 * model stays as it was.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type AnyAdapterDefinition, ConfigError, type Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachAdapter, attachLora, peft } from '../../../plugins/peft/mod.ts'
import { GOLDEN } from '../../_golden.ts'

const cpu = openCpu()
const METHODS: Readonly<Record<string, AnyAdapterDefinition>> = peft.provides.adapter

/** As a program in JavaScript calls them. */
const attachAny = (given: readonly unknown[]): unknown => Reflect.apply(attachAdapter, null, given)
const loraOf = (model: Model, options: unknown): unknown => Reflect.apply(attachLora, null, [model, options])

const llama = (): Model => loadModel(join(GOLDEN, 'peft-train', 'base'), { device: cpu })

function refused(model: Model, attach: () => unknown): ConfigError {
  try {
    attach()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect([...model.layers.values()].flatMap(({ adapters }) => adapters)).toEqual([])
    expect(model.adapters).toEqual([])
    return error
  }
  throw new Error('nothing was wrong')
}

describe('the options of a method', () => {
  test.each<[string, unknown, string]>([
    ['lora', { rank: 'eight' }, 'rank'],
    ['lora', { r: 8 }, 'r'],
    ['loha', { r: 0 }, 'r'],
    ['loha', { r: 2.5 }, 'r'],
    ['lokr', { r: 2, decompose_both: 'maybe' }, 'decompose_both'],
    ['ia3', { feedforward_modules: 3 }, 'feedforward_modules'],
    ['oft', { oft_block_size: [] }, 'oft_block_size'],
    ['boft', { boft_dropout: 2 }, 'boft_dropout'],
    ['vera', { d_initial: Number.NaN }, 'd_initial'],
    ['miss', { r: null, mini_r: {} }, 'mini_r'],
    ['adalora', {}, 'total_step'],
    ['prompt', { num_virtual_tokens: -1 }, 'num_virtual_tokens'],
    ['prefix', { prefix_projection: 7 }, 'prefix_projection'],
    ['p-tuning', { encoder_dropout: 'much' }, 'encoder_dropout'],
    ['loha', null, 'expected a mapping'],
    ['loha', 'r: 8', 'expected a mapping'],
  ])('%s: %j', (name, options, said) => {
    using model = llama()
    const isOfModel = 'createForModel' in METHODS[name]
    const error = refused(model, () =>
      attachAny([model, METHODS[name], options, isOfModel ? {} : { targetModules: ['q_proj'] }]),
    )
    expect(error.message).toContain(said)
  })

  test('left out are the defaults', () => {
    using model = llama()
    const target = { targetModules: ['q_proj'] }
    using adapter = attachAdapter(model, METHODS.lokr, {} as never, target)
    expect(adapter.config).toMatchObject({ r: 8, alpha: 8 })
  })
})

describe('where it goes', () => {
  test.each<[unknown, string]>([
    [{ targetModules: 5 }, 'targetModules'],
    [{ targetModules: [5] }, 'targetModules'],
    [{ targetModules: ['q_proj'], seed: 0.5 }, 'seed'],
    [{ targetModules: ['q_proj'], seed: '3' }, 'seed'],
    [{ targetModules: ['q_proj'], name: 3 }, 'name'],
    [{ targetModules: ['q_proj'], layersToTransform: 1 }, 'layersToTransform'],
    [{ targetModules: ['q_proj'], layersToTransform: ['1'] }, 'layersToTransform'],
    [{ targetModules: ['q_proj'], modulesToSave: 'lm_head' }, 'modulesToSave'],
    [{ targetModules: ['q_proj'], trainableTokenIndices: { embed_tokens: 3 } }, 'trainableTokenIndices'],
    [{ targetModules: ['q_proj'], bias: 'some' }, 'bias'],
    [{ targetModules: ['q_proj'], ensureWeightTying: 'yes' }, 'ensureWeightTying'],
    [{ target_modules: ['q_proj'] }, 'did you mean "targetModules"'],
    ['q_proj', 'expected a mapping'],
  ])('%j', (attach, said) => {
    using model = llama()
    const { message } = refused(model, () => attachAny([model, METHODS.loha, { r: 2 }, attach]))
    expect(message).toContain(said)
  })

  test.each<[unknown, string]>([
    [{ rank: 4 }, 'targetModules'],
    [{ targetModules: ['q_proj'], lora_alpha: 16 }, 'lora_alpha'],
    [{ targetModules: ['q_proj'], rank: 0 }, 'rank'],
    [{ targetModules: ['q_proj'], rankPattern: { q_proj: 0 } }, 'rankPattern'],
    [{ targetModules: ['q_proj'], alphaPattern: { q_proj: '8' } }, 'alphaPattern'],
    [{ targetModules: [], targetParameters: 'q_proj.weight' }, 'targetParameters'],
  ])('attachLora: %j', (options, said) => {
    using model = llama()
    expect(refused(model, () => loraOf(model, options)).message).toContain(said)
  })
})

describe('what a plugin says that it trains', () => {
  test.each<[string, unknown, string]>([
    ['a Map', new Map(), 'mine: parameters() gives'],
    ['nothing', undefined, 'mine: parameters() gives undefined'],
    [
      'what is no tensor',
      { shift: undefined },
      'mine: parameters() has shift, which is no tensor, but undefined',
    ],
  ])('%s is an error, and nothing stays on the model', (_, parameters, message) => {
    using model = llama()
    const adapter = { forward: () => null, parameters: () => parameters, [Symbol.dispose]() {} }
    const mine = { ...METHODS['ia3'], name: 'mine', create: () => adapter }
    expect(() => attachAny([model, mine, {}, { targetModules: ['q_proj'] }])).toThrow(message)
    for (const { adapters } of model.layers.values()) expect(adapters).toEqual([])
  })
})
