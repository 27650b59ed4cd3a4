/**
 * Models as GGUF files, opened again: the same weights in the order of transformers, for every family; and what llama.cpp would
 * compute otherwise is refused. That llama.cpp gives the same logits is shown by `bun run oracle gguf`.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportModel } from '../../../plugins/export/mod.ts'
import { ggufNumber, openGguf } from '../../../plugins/gguf/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { absoluteError, GOLDEN, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const device = openCpu()
const golden = (name: string): string => join(GOLDEN, 'models', name)

/** A golden model with changes in its config.json. */
function changed(folder: string, name: string, changes: object): string {
  const path = join(folder, name)
  cpSync(golden(name), path, { recursive: true })
  const config: object = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
  writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, ...changes }))
  return path
}

const FAMILIES = [
  'llama',
  'llama-bias',
  'llama-rope-linear',
  'llama-rope-llama3',
  'llama-rope-yarn',
  'mistral',
  'qwen2',
  'qwen3',
  'qwen3-rope-yarn',
  'gpt2',
]

test.each(FAMILIES)('%s in f32 comes back to the same bits', async (name) => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'x.gguf')
  const report = await exportModel(golden(name), { to: 'gguf', output, type: 'f32' })
  expect(report.difference).toMatchObject({ most: 0, tokens: 24, sameTop: 24 })
  expect(report.tensors).toBe(openGguf(output).tensors.size)
  using before = loadModel(golden(name), { device, dtype: 'f32' })
  using after = loadModel(output, { device })
  expect(after.info.type).toBe(before.info.type)
  expect([...after.weights.keys()].toSorted()).toEqual([...before.weights.keys()].toSorted())
  for (const [path, weight] of before.weights)
    expect(after.weights.get(path)?.toArray()).toEqual(weight.toArray())
})

/** As llama.cpp can have them: its scales and patterns of layers are fixed. */
const SLIDE = { layer_types: ['sliding_attention', 'sliding_attention'] }
const NEW_FAMILIES: readonly (readonly [string, object])[] = [
  ['gemma', {}],
  ['gemma2', { query_pre_attn_scalar: 16 }],
  [
    'gemma3',
    {
      ...SLIDE,
      query_pre_attn_scalar: 16,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 4, rope_theta: 1000 },
        sliding_attention: { rope_theta: 10000 },
      },
    },
  ],
  ['phi3', {}],
  ['phi3-longrope', {}],
  ['olmo2', {}],
  ['granite', {}],
  ['smollm3', { no_rope_layers: [1, 1] }],
  ['glm4', {}],
  ['cohere2', SLIDE],
  ['stablelm', {}],
  ['stablelm-parallel', { qk_layernorm: false }],
]

test.each(NEW_FAMILIES)('%s comes back with its weights and what it computes', async (name, changes) => {
  using folder = temporaryFolder()
  const source = changed(folder.path, name, changes)
  const output = join(folder.path, 'x.gguf')
  const report = await exportModel(source, { to: 'gguf', output, type: 'f32' })
  // Of Gemma's norms files have 1 + w, which rounds; so do the factors of longrope.
  const isRounded = name.startsWith('gemma') || name === 'phi3-longrope'
  expect(report.difference?.most ?? 1).toBeLessThanOrEqual(isRounded ? 1e-4 : 0)
  using before = loadModel(source, { device, dtype: 'f32' })
  using after = loadModel(output, { device })
  expect(after.info.type).toBe(before.info.type)
  expect([...after.weights.keys()].toSorted()).toEqual([...before.weights.keys()].toSorted())
  for (const [path, weight] of before.weights) {
    const [got, expected] = [after.weights.get(path)?.toArray() ?? [], weight.toArray()]
    const most = name.startsWith('gemma') && path.endsWith('norm.weight') ? 1e-6 : 0
    expect(absoluteError(got, expected), path).toBeLessThanOrEqual(most)
  }
})

test.each([
  ['gemma2', { query_pre_attn_scalar: 24 }, 'query_pre_attn_scalar 24: llama.cpp computes 16'],
  ['gemma2', { query_pre_attn_scalar: 16, attn_logit_softcapping: null }, 'llama.cpp has a cap'],
  ['gemma3', { query_pre_attn_scalar: 16 }, 'layer 1: llama.cpp has a window on all layers but each 6th'],
  ['gemma3', { ...SLIDE, query_pre_attn_scalar: 16 }, 'turn by other than 10000'],
  ['smollm3', {}, 'layer 1: llama.cpp turns all layers but each 4th'],
  ['cohere2', {}, 'llama.cpp has a window on all layers but each 4th'],
  ['stablelm-parallel', {}, 'qk_layernorm of stablelm'],
  ['cohere', {}, 'models of type "cohere" have no GGUF form here'],
])('%s with %p cannot be a GGUF file, and nothing is written', async (name, changes, message) => {
  using folder = temporaryFolder()
  const source = changed(folder.path, name, changes)
  const output = join(folder.path, 'x.gguf')
  const failed = await exportModel(source, { to: 'gguf', output, type: 'f32' }).catch(String)
  expect(String(failed)).toContain(message)
  expect(existsSync(output)).toBe(false)
})

test.each([
  'f16',
  'bf16',
  'q8_0',
  'q6_k',
  'q5_k_m',
  'q5_1',
  'q5_0',
  'q4_k_m',
  'q4_k_s',
  'q4_1',
  'q4_0',
  'tq2_0',
  'tq1_0',
])('a llama in %s is near', async (type) => {
  using folder = temporaryFolder()
  const model = join(folder.path, 'model')
  writeTinyModel(model, { hidden_size: 256, intermediate_size: 512, head_dim: 64, num_hidden_layers: 3 })
  const output = join(folder.path, 'x.gguf')
  const { difference, types } = await exportModel(model, { to: 'gguf', output, type })
  const allowed: Record<string, number> = {
    f16: 0.005,
    bf16: 0.04,
    q8_0: 0.1,
    q6_k: 0.25,
    tq1_0: 2,
    tq2_0: 2,
  }
  expect((difference?.most ?? Infinity) / (difference?.largest ?? 0)).toBeLessThan(allowed[type] ?? 0.8)
  expect(types).toMatchObject({ F32: 7 })
  expect(openGguf(output).metadata.has('general.quantization_version')).toBe(!type.endsWith('f16'))
})

test('bf16 in bf16 comes back to the same bits', async () => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'x.gguf')
  const options = { to: 'gguf', output, type: 'bf16', dtype: 'bf16' } as const
  expect((await exportModel(golden('qwen3'), options)).difference).toMatchObject({ most: 0 })
})

test('the metadata says what the config does', async () => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'x.gguf')
  await exportModel(golden('llama-rope-llama3'), { to: 'gguf', output, type: 'f32' })
  const file = openGguf(output)
  const config: Record<string, number> = JSON.parse(
    readFileSync(join(golden('llama-rope-llama3'), 'config.json'), 'utf8'),
  )
  const number = (key: string): number => ggufNumber(file, `llama.${key}`)
  expect(number('block_count')).toBe(config['num_hidden_layers'])
  expect(number('attention.head_count_kv')).toBe(config['num_key_value_heads'])
  expect(number('context_length')).toBe(config['max_position_embeddings'])
  expect(file.tensors.get('rope_freqs.weight')?.shape).toEqual([config['head_dim'] / 2])
  expect(file.metadata.get('general.file_type')).toBe(0)
  expect(file.metadata.get('tokenizer.ggml.model')).toBe('none')
})

test('the window of mistral is told, and comes back', async () => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'x.gguf')
  const { notes } = await exportModel(golden('mistral'), { to: 'gguf', output, type: 'f32' })
  expect(notes.join()).toMatch(/not to the last \d+ tokens/)
  using model = loadModel(output, { device })
  expect(model.info.type).toBe('mistral')
})

describe('refused, with nothing left', () => {
  const cases: [string, string, object, RegExp][] = [
    ['another activation', 'llama', { hidden_act: 'gelu' }, /hidden_act "gelu": llama.cpp computes silu/],
    ['layers with a window', 'qwen2-sliding', {}, /sliding window/],
    ['exact gelu', 'gpt2', { activation_function: 'gelu' }, /activation_function "gelu"/],
    ['yarn that is not cut to whole numbers', 'llama-rope-yarn-mscale', {}, /yarn without truncate/],
    ['biases that the architecture has not', 'qwen3', { attention_bias: true }, /qkv|bias/],
  ]
  test.each(cases)('%s', async (_name, name, changes, message) => {
    using folder = temporaryFolder()
    const model = changed(folder.path, name, changes)
    const output = join(folder.path, 'out', 'x.gguf')
    const error: unknown = await exportModel(model, { to: 'gguf', output, type: 'f32' }).catch(
      (e: unknown) => e,
    )
    expect(String(error)).toMatch(message)
    expect(readdirSync(folder.path).filter((entry) => entry !== name && entry !== 'out')).toEqual([])
  })

  test('NaN among the weights', async () => {
    using folder = temporaryFolder()
    const model = join(folder.path, 'model')
    writeTinyModel(model)
    const weights = join(model, 'model.safetensors')
    const bytes = readFileSync(weights)
    bytes.writeFloatLE(NaN, bytes.length - 4)
    writeFileSync(weights, bytes)
    const output = join(folder.path, 'x.gguf')
    const error: unknown = await exportModel(model, { to: 'gguf', output, type: 'q8_0' }).catch(
      (e: unknown) => e,
    )
    expect(String(error)).toMatch(/"model.norm.weight" has NaN or Inf/)
    expect(readdirSync(folder.path)).toEqual(['model'])
  })

  test('a file that is there, a name without .gguf, options that do not go together', async () => {
    using folder = temporaryFolder()
    const model = join(folder.path, 'model')
    writeTinyModel(model)
    const output = join(folder.path, 'x.gguf')
    writeFileSync(output, 'mine')
    const failure = async (options: object): Promise<string> =>
      String(await exportModel(model, { to: 'gguf', output, ...options }).catch((e: unknown) => e))
    expect(await failure({})).toMatch(/exists already/)
    expect(readFileSync(output, 'utf8')).toBe('mine')
    expect(await failure({ output: join(folder.path, 'y') })).toMatch(/must end in .gguf/)
    expect(await failure({ output: join(folder.path, 'y.gguf'), type: 'q9' })).toMatch(/no file type "q9"/)
    expect(await failure({ to: 'hf', output: join(folder.path, 'y'), type: 'q8_0' })).toMatch(
      /--type is for gguf/,
    )
    expect(await failure({ to: 'mlx', output: join(folder.path, 'y') })).toMatch(
      /no adapter[^]*mlx_lm.convert/,
    )
    expect(await failure({ to: 'peft', output: join(folder.path, 'y') })).toMatch(/has no adapter/)
    expect(await failure({ output: join(folder.path, 'y.gguf'), base: model })).toMatch(
      /is a model, it has no base/,
    )
    expect(readdirSync(folder.path).toSorted()).toEqual(['model', 'x.gguf'])
  })
})
