/**
 * Values that no config.json has: each is one error with the key, or harmless.
 */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'
import { writeDamaged } from '../../_tiny.ts'

const VALUES = [
  0,
  -1,
  1.5,
  7,
  1e16,
  2 ** 31,
  2 ** 53,
  1e308,
  'x',
  '',
  [],
  [1],
  {},
  true,
  { rope_type: 'yarn', factor: 1e300 },
]
const MORE_KEYS = [
  'sliding_window',
  'use_sliding_window',
  'layer_types',
  'max_window_layers',
  'head_dim',
  'rope_scaling',
  'rope_parameters',
  'partial_rotary_factor',
  'n_inner',
  'quantization_config',
  'no_rope_layer_interval',
  'sliding_window_pattern',
  'text_config',
]

test.each([
  'llama',
  'qwen2-sliding',
  'gpt2',
  'gemma3-images',
  'phi3-longrope',
  'smollm3',
  'cohere2',
  'stablelm-parallel',
])(
  '%s with any value for any key',
  (name) => {
    using folder = temporaryFolder()
    const to = join(folder.path, name)
    writeDamaged(join(GOLDEN, 'models', name), to, {})
    const path = join(to, 'config.json')
    const config: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
    const device = openCpu()
    for (const key of new Set([...Object.keys(config), ...MORE_KEYS])) {
      for (const value of VALUES) {
        writeFileSync(path, JSON.stringify({ ...config, [key]: value }))
        const began = performance.now()
        try {
          using _model = loadModel(to, { device })
        } catch (error) {
          if (!(error instanceof TrituneError))
            throw new Error(`${key}: ${JSON.stringify(value)}`, { cause: error })
        }
        expect(performance.now() - began, `${key}: ${JSON.stringify(value)}`).toBeLessThan(5000)
      }
    }
  },
  60_000,
)

test.each([
  [
    'num_hidden_layers',
    1e16,
    'config.json: num_hidden_layers: expected a positive integer up to 10000, got 10000000000000000',
  ],
  ['hidden_size', 1e16, 'config.json: hidden_size: expected a positive integer up to 2147483647'],
  ['vocab_size', -5, 'config.json: vocab_size: expected a positive integer, got -5'],
  ['rope_theta', 'x', 'config.json: rope_theta: expected a number above 0, got "x"'],
  ['rope_scaling', 'linear', 'config.json: rope_scaling: expected a mapping, got "linear"'],
  ['partial_rotary_factor', 1e16, 'config.json: partial_rotary_factor: expected a number up to 1'],
])('%s: %p names the key, the value and what is right', (key, value, message) => {
  using folder = temporaryFolder()
  const to = join(folder.path, 'model')
  writeDamaged(join(GOLDEN, 'models/llama'), to, {
    config: { rope_parameters: null, rope_scaling: null, [key]: value },
  })
  expect(() => loadModel(to, { device: openCpu() })).toThrow(message)
})

test.each([
  ['llama', { hidden_act: 'relu6' }, 'config.json: hidden_act "relu6"'],
  ['gemma2', { hidden_activation: 'relu6' }, 'config.json: hidden_activation "relu6"'],
  ['gpt2', { activation_function: 'relu6' }, 'config.json: activation_function "relu6"'],
  [
    'gemma3',
    {
      rope_parameters: {
        full_attention: { rope_type: 'twisted' },
        sliding_attention: { rope_type: 'default' },
      },
    },
    'config.json: rope_parameters.full_attention.rope_type: rope scaling "twisted"',
  ],
  [
    'gemma2',
    { layer_types: ['full_attention', 'linear_attention'] },
    'config.json: layer_types: layer 1 is of type "linear_attention"',
  ],
  [
    'qwen2-sliding',
    { layer_types: ['chunked_attention', 'full_attention'] },
    'config.json: layer_types: layer 0 is of type "chunked_attention"',
  ],
  [
    'qwen3',
    { use_sliding_window: false, layer_types: ['full_attention', 'linear_attention'] },
    'config.json: layer_types: layer 1 is of type "linear_attention"',
  ],
  ['llama', { quantization_config: { quant_method: 'hqq' } }, 'quant_method "hqq"'],
])('%s with %p: a name that is not there is E_UNSUPPORTED with its key', (family, config, message) => {
  using folder = temporaryFolder()
  const to = join(folder.path, 'model')
  writeDamaged(join(GOLDEN, 'models', family), to, { config })
  const failing = (): void => loadModel(to, { device: openCpu() })[Symbol.dispose]()
  expect(failing).toThrow(expect.objectContaining({ code: 'E_UNSUPPORTED' }))
  expect(failing).toThrow(message)
})
