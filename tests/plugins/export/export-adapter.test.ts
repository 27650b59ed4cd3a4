/**
 * Adapters: folded in, alone as GGUF, back as PEFT's files, and for Ollama.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportGgufAdapter, exportModel, promptLogits } from '../../../plugins/export/mod.ts'
import { ggufBase, openGguf } from '../../../plugins/gguf/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, type LoraModelOptions, saveAdapter } from '../../../plugins/peft/mod.ts'
import { saveTokenizer } from '../../../plugins/finetune/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { GOLDEN, relativeError, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const device = openCpu()
const IDS = [1, 5, 9, 13, 2, 40, 41, 42]

/** A model and a LoRA on it that does something. */
function written(path: string, options: Partial<LoraModelOptions> = {}): { model: string; adapter: string } {
  const [model, adapter] = [join(path, 'model'), join(path, 'adapter')]
  writeTinyModel(model)
  using open = loadModel(model, { device })
  using lora = attachLora(open, {
    rank: 4,
    alpha: 8,
    targetModules: 'all-linear',
    init: false,
    seed: 3,
    ...options,
  })
  saveAdapter(adapter, lora, { baseModel: model })
  saveTokenizer(adapter, model)
  return { model, adapter }
}

function logits(model: string, adapter?: string): Float32Array {
  using open = loadModel(model, { device })
  using _lora = adapter === undefined ? null : loadAdapter(open, adapter)
  return promptLogits(open, IDS)
}

const KINDS: [string, Partial<LoraModelOptions>][] = [
  ['plain', {}],
  ['rsLoRA', { rsLora: true }],
  ['patterns', { rankPattern: { q_proj: 2, 'layers.1.mlp.up_proj': 6 }, alphaPattern: { k_proj: 3 } }],
  ['of some layers', { targetModules: ['q_proj', 'down_proj'] }],
]

test.each([...KINDS, ['DoRA', { dora: true }] as const, ['PiSSA', { init: 'pissa' }] as const])(
  'a LoRA, %s, for mlx-lm: the same logits again',
  async (_name, options) => {
    using folder = temporaryFolder()
    const { model, adapter } = written(folder.path, options)
    const expected = logits(model, adapter)
    const output = join(folder.path, 'mlx')
    const { difference, tensors } = await exportModel(adapter, { to: 'mlx', output })
    expect((difference?.most ?? 1) / (difference?.largest ?? 0)).toBeLessThan(1e-5)
    expect(tensors).toBeGreaterThan(0)
    expect(readdirSync(output)).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapters.safetensors']),
    )
    expect(relativeError(logits(model, output), expected)).toBeLessThan(1e-5)
  },
)

test.each(KINDS)('a LoRA, %s, alone as GGUF and back as PEFT', async (_name, options) => {
  using folder = temporaryFolder()
  const { model, adapter } = written(folder.path, options)
  const expected = logits(model, adapter)
  expect(relativeError(logits(model), expected)).toBeGreaterThan(0.01)
  const file = join(folder.path, 'lora.gguf')
  const { difference } = await exportModel(adapter, { to: 'gguf', output: file, lora: true })
  expect((difference?.most ?? 1) / (difference?.largest ?? 0)).toBeLessThan(1e-5)
  expect(openGguf(file).metadata.get('general.type')).toBe('adapter')
  // Not where the model lies.
  expect(ggufBase(openGguf(file))).toBe('model')
  expect(relativeError(logits(model, file), expected)).toBeLessThan(1e-5)
  const back = join(folder.path, 'back')
  await exportModel(file, { to: 'peft', output: back, base: model })
  expect(relativeError(logits(model, back), expected)).toBeLessThan(1e-5)
  expect(JSON.parse(readFileSync(join(back, 'adapter_config.json'), 'utf8'))).toMatchObject({
    peft_type: 'LORA',
    base_model_name_or_path: model,
  })
})

test('a LoRA alone as GGUF tells its base as llama.cpp’s converter does', () => {
  using folder = temporaryFolder()
  const { model, adapter } = written(folder.path)
  using open = loadModel(model, { device })
  const file = join(folder.path, 'lora.gguf')
  exportGgufAdapter(file, adapter, open, { name: 'poems', base: 'org/base' })
  const gguf = openGguf(file)
  const told = ['count', '0.name', '0.organization', '0.repo_url'].map((key) =>
    gguf.metadata.get(`general.base_model.${key}`),
  )
  expect(told).toEqual([1, 'base', 'org', 'https://huggingface.co/org/base'])
  expect(ggufBase(gguf)).toBe('org/base')
  exportGgufAdapter(file, adapter, open, { name: 'poems' })
  expect(ggufBase(openGguf(file))).toBe(null)
})

test('folded in, as GGUF and as a model folder', async () => {
  using folder = temporaryFolder()
  const { model, adapter } = written(folder.path)
  const expected = logits(model, adapter)
  const [file, hf] = [join(folder.path, 'x.gguf'), join(folder.path, 'hf')]
  await exportModel(adapter, { to: 'gguf', output: file, type: 'f32' })
  await exportModel(model, { to: 'hf', output: hf, adapter })
  expect(relativeError(logits(file), expected)).toBeLessThan(1e-5)
  expect(relativeError(logits(hf), expected)).toBeLessThan(1e-5)
  expect(readdirSync(hf)).toContain('tokenizer.json')
})

test('the golden adapter of gpt2, whose layers lie the other way', async () => {
  using folder = temporaryFolder()
  const [base, adapter] = [join(GOLDEN, 'models/gpt2'), join(folder.path, 'adapter')]
  {
    using open = loadModel(base, { device })
    using lora = attachLora(open, { rank: 2, alpha: 4, targetModules: ['c_attn', 'c_proj'], init: false })
    saveAdapter(adapter, lora, { baseModel: base })
  }
  const file = join(folder.path, 'lora.gguf')
  await exportModel(adapter, { to: 'gguf', output: file, lora: true })
  expect(relativeError(logits(base, file), logits(base, adapter))).toBeLessThan(1e-5)
})

test('from PEFT to mlx-lm, from there to GGUF, and back', async () => {
  using folder = temporaryFolder()
  const { model, adapter } = written(folder.path)
  const expected = logits(model, adapter)
  const at = (name: string): string => join(folder.path, name)
  await exportModel(adapter, { to: 'mlx', output: at('mlx') })
  expect(readdirSync(at('mlx'))).toContain('adapters.safetensors')
  await exportModel(at('mlx'), { to: 'gguf', output: at('lora.gguf'), lora: true })
  await exportModel(at('lora.gguf'), { to: 'mlx', output: at('again'), base: model })
  await exportModel(at('again'), { to: 'peft', output: at('peft') })
  for (const name of ['mlx', 'lora.gguf', 'again', 'peft'])
    expect(relativeError(logits(model, at(name)), expected)).toBeLessThan(1e-5)
})

test('a LoRA of embedding and head, where they are two; where they are one it is refused', async () => {
  using folder = temporaryFolder()
  const adapter = join(folder.path, 'adapter')
  const onTables = (base: string): void => {
    using open = loadModel(base, { device })
    using lora = attachLora(open, {
      rank: 3,
      alpha: 6,
      targetModules: ['embed_tokens', 'q_proj'],
      init: false,
    })
    saveAdapter(adapter, lora, { baseModel: base })
  }
  const [untied, file] = [join(GOLDEN, 'models/llama-bias'), join(folder.path, 'lora.gguf')]
  onTables(untied)
  await exportModel(adapter, { to: 'gguf', output: file, lora: true })
  expect(openGguf(file).tensors.get('token_embd.weight.lora_a')?.shape).toEqual([101, 3])
  expect(relativeError(logits(untied, file), logits(untied, adapter))).toBeLessThan(1e-5)
  onTables(join(GOLDEN, 'models/llama'))
  const output = join(folder.path, 'x.gguf')
  const error: unknown = await exportModel(adapter, { to: 'gguf', output, lora: true }).catch(
    (e: unknown) => e,
  )
  expect(String(error)).toMatch(/embedding and head of this model are one weight/)
})

test.each([[false], [true]])('for Ollama, the LoRA alone: %p', async (lora) => {
  using folder = temporaryFolder()
  const { adapter } = written(folder.path)
  const output = join(folder.path, 'ollama')
  const { notes } = await exportModel(adapter, { to: 'ollama', output, type: 'f32', lora })
  const files = lora ? ['Modelfile', 'adapter.gguf', 'model.gguf'] : ['Modelfile', 'model.gguf']
  expect(readdirSync(output).toSorted()).toEqual(files)
  const text = readFileSync(join(output, 'Modelfile'), 'utf8')
  expect(text).toStartWith('FROM ./model.gguf\n')
  expect(text.includes('ADAPTER ./adapter.gguf')).toBe(lora)
  expect(text.includes('TEMPLATE') || notes.some((note) => note.includes('no TEMPLATE'))).toBe(true)
})

test('what is no plain LoRA is refused as one, and nothing is left', async () => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'x.gguf')
  const failure = async (adapter: string): Promise<string> => {
    const base = join(GOLDEN, 'peft-train/base')
    return String(
      await exportModel(adapter, { to: 'gguf', output, lora: true, base }).catch((e: unknown) => e),
    )
  }
  expect(await failure(join(GOLDEN, 'peft-train/adapter-dora'))).toMatch(/use_dora/)
  const { adapter } = written(folder.path)
  const config = join(adapter, 'adapter_config.json')
  const fields: object = JSON.parse(readFileSync(config, 'utf8'))
  writeFileSync(config, JSON.stringify({ ...fields, base_model_name_or_path: '/nowhere/at/all' }))
  const error: unknown = await exportModel(adapter, { to: 'gguf', output, lora: true }).catch(
    (e: unknown) => e,
  )
  expect(String(error)).toMatch(/nowhere/)
  expect(existsSync(output)).toBe(false)
})

test('an adapter for another base is one error', async () => {
  using folder = temporaryFolder()
  const { adapter } = written(folder.path)
  const file = join(folder.path, 'lora.gguf')
  await exportModel(adapter, { to: 'gguf', output: file, lora: true })
  const other = join(folder.path, 'other')
  writeTinyModel(other, { hidden_size: 64 })
  using open = loadModel(other, { device })
  expect(() => loadAdapter(open, file)).toThrow(
    /the adapter is for 48 → 32; model.layers.0.mlp.down_proj is 48 → 64/,
  )
  using gpt2 = loadModel(join(GOLDEN, 'models/gpt2'), { device })
  expect(() => loadAdapter(gpt2, file)).toThrow(/the adapter is for llama, the model is gpt2/)
  expect(() => loadAdapter(open, join(GOLDEN, 'gguf/llama.gguf'))).toThrow(/the file is no LoRA adapter/)
})
