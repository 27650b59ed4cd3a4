/**
 * `target_parameters`: which weights the names mean, what stands in the file, what is refused. Beside PEFT: methods.test.ts.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type Model, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, type LoraModelOptions, saveAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'
import { readConfig } from './_methods.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train', 'base')
const GPT2 = join(GOLDEN, 'models', 'gpt2')
const BIASED = join(GOLDEN, 'models', 'llama-bias')

const llama = (): Model => loadModel(LLAMA, { device: cpu })

function pathsOf(model: Model, options: LoraModelOptions): string[] {
  using adapter = attachLora(model, { rank: 2, ...options })
  return [...adapter.adapters.keys()]
}

describe('the weights of the names', () => {
  test.each<[string[], string[]]>([
    [['model.layers.1.mlp.down_proj.weight'], ['model.layers.1.mlp.down_proj']],
    [
      ['1.mlp.down_proj.weight', 'lm_head.weight'],
      ['model.layers.1.mlp.down_proj', 'lm_head'],
    ],
  ])('%j', (targetParameters, expected) => {
    using model = llama()
    expect(pathsOf(model, { targetModules: [], targetParameters })).toEqual(expected)
  })

  test('beside modules: neither layers_to_transform nor exclude_modules is about them', () => {
    using model = llama()
    const paths = pathsOf(model, {
      targetModules: ['q_proj'],
      excludeModules: ['v_proj'],
      layersToTransform: [1],
      targetParameters: ['0.self_attn.v_proj.weight'],
    })
    expect(paths).toEqual(['model.layers.0.self_attn.v_proj', 'model.layers.1.self_attn.q_proj'])
  })

  test('the keys of patterns stand at the end of the whole name', () => {
    using model = llama()
    using adapter = attachLora(model, {
      rank: 2,
      alpha: 4,
      targetModules: ['v_proj'],
      targetParameters: ['up_proj.weight'],
      rankPattern: { 'up_proj.weight': 3, v_proj: 4 },
      alphaPattern: { '1.mlp.up_proj.weight': 9 },
    })
    const shape = (name: string): readonly number[] =>
      adapter.parameters.get(`${name}.lora_A.weight`)?.shape ?? []
    expect(shape('model.layers.0.mlp.up_proj')[0]).toBe(3)
    expect(shape('model.layers.0.self_attn.v_proj')[0]).toBe(4)
    using temporary = temporaryFolder()
    saveAdapter(temporary.path, adapter, { baseModel: null })
    expect(readConfig(temporary.path)).toMatchObject({
      target_modules: ['v_proj'],
      target_parameters: ['up_proj.weight'],
      rank_pattern: { 'up_proj.weight': 3, v_proj: 4 },
    })
    using again = llama()
    using loaded = loadAdapter(again, temporary.path)
    const scales = [...loaded.adapters].map(([path, own]) => [path, 'scale' in own ? own.scale : null])
    expect(scales).toEqual(
      [...adapter.adapters].map(([path, own]) => [path, 'scale' in own ? own.scale : null]),
    )
    expect(scales).toContainEqual(['model.layers.1.mlp.up_proj', 3])
  })
})

describe('is refused, and the model stays as it was', () => {
  test.each<[string, LoraModelOptions, string]>([
    [
      'no such name',
      { targetModules: [], targetParameters: ['mlp.down_prj.weight'] },
      'did you mean mlp.down_proj.weight',
    ],
    [
      'the name of a module',
      { targetModules: [], targetParameters: ['down_proj'] },
      'is the name of no parameter',
    ],
    [
      'experts that the model has not',
      { targetModules: [], targetParameters: ['mlp.experts.gate_up_proj'] },
      'no parameter',
    ],
    ['a norm', { targetModules: [], targetParameters: ['input_layernorm.weight'] }, 'is no matrix'],
    ['all weights', { targetModules: [], targetParameters: ['weight'] }, 'target_parameters: '],
    [
      'a table of tokens',
      { targetModules: [], targetParameters: ['embed_tokens.weight'] },
      'name the module in target_modules: embed_tokens',
    ],
    [
      'dropout',
      { targetModules: [], targetParameters: ['q_proj.weight'], dropout: 0.1 },
      'no lora_dropout on parameters',
    ],
    [
      'DoRA',
      { targetModules: [], targetParameters: ['q_proj.weight'], dora: true },
      'no use_dora on parameters',
    ],
    [
      'a weight that a module has too',
      { targetModules: ['q_proj'], targetParameters: ['0.self_attn.q_proj.weight'] },
      'among target_modules too',
    ],
    ['no names at all', { targetModules: [], targetParameters: [] }, 'target_modules is empty'],
  ])('%s', (_, options, said) => {
    using model = llama()
    expect(() => attachLora(model, { rank: 2, ...options })).toThrow(TrituneError)
    expect(() => attachLora(model, { rank: 2, ...options })).toThrow(said)
    expect([...model.layers.values()].flatMap(({ adapters }) => adapters)).toEqual([])
  })

  test('a bias, and a weight that is stored the other way round', () => {
    using biased = loadModel(BIASED, { device: cpu })
    expect(() => attachLora(biased, { targetModules: [], targetParameters: ['q_proj.bias'] })).toThrow(
      'is no matrix',
    )
    using gpt2 = loadModel(GPT2, { device: cpu })
    expect(() => attachLora(gpt2, { targetModules: [], targetParameters: ['c_attn.weight'] })).toThrow(
      'stored the other way round',
    )
  })

  test('a file whose names are no list of texts', () => {
    using model = llama()
    using adapter = attachLora(model, { rank: 2, targetModules: [], targetParameters: ['q_proj.weight'] })
    using temporary = temporaryFolder()
    saveAdapter(
      temporary.path,
      { ...adapter, config: { ...adapter.config, target_parameters: 'q_proj.weight' } },
      { baseModel: null },
    )
    using again = llama()
    expect(() => loadAdapter(again, temporary.path)).toThrow('target_parameters: expected a list of texts')
  })
})
