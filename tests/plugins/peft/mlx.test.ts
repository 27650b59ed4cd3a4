/**
 * Adapters that mlx-lm wrote, beside the logits that it computed; and what is written for it, read back. That mlx-lm itself reads that:
 * tests/oracle/mlx_adapters.py verify.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { headLogits, type Model, noGrad, tensorScope, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  attachLora,
  loadAdapter,
  readAdapterConfig,
  saveAdapter,
  saveMlxAdapter,
} from '../../../plugins/peft/mod.ts'
import { GOLDEN, goldenJson, relativeError, sameBytes, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const FOLDER = join(GOLDEN, 'mlx-adapters')
const LLAMA = join(GOLDEN, 'peft-train/base')

interface Golden {
  readonly base: string
  readonly ids: readonly number[]
  readonly length: number
  readonly effect: number
  readonly logits: readonly number[]
}

function open(name: string): Golden & { readonly folder: string; readonly model: Model } {
  const info = goldenJson<Golden>('mlx-adapters', name, 'expected.json')
  const folder = join(FOLDER, name)
  return { ...info, folder, model: loadModel(join(folder, info.base), { device: cpu }) }
}

function logitsOf(model: Model, { ids, length }: Pick<Golden, 'ids' | 'length'>): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return headLogits(
      model.head,
      model.hidden(createBatch({ ids, offsets: [0, length, 2 * length] }, cpu)),
    ).toArray()
  })
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

describe('read', () => {
  test.each(['lora', 'all', 'head', 'gpt2', 'dora'])('%s: the logits of mlx-lm', (name) => {
    const golden = open(name)
    using model = golden.model
    const plain = logitsOf(model, golden)
    using adapter = loadAdapter(model, golden.folder)
    const logits = logitsOf(model, golden)
    expect(relativeError(logits, golden.logits)).toBeLessThanOrEqual(1e-5)
    expect(relativeError(logits, plain)).toBeCloseTo(golden.effect, 2)
    expect(adapter.kind).toBe('lora')
    expect(adapter.config['peft_type']).toBe('LORA')
  })

  test('becomes an adapter of PEFT by saving it', () => {
    using temporary = temporaryFolder()
    const golden = open('all')
    using model = golden.model
    using adapter = loadAdapter(model, golden.folder, { name: 'mlx' })
    const logits = logitsOf(model, golden)
    saveAdapter(temporary.path, adapter, { baseModel: null })
    const saved = readAdapterConfig(temporary.path)
    expect(saved).toMatchObject({ peft_type: 'LORA', r: 3, lora_alpha: 7.5, lora_dropout: 0.1, bias: 'none' })
    using again = loadModel(LLAMA, { device: cpu })
    using _loaded = loadAdapter(again, temporary.path)
    expect(sameBytes(logitsOf(again, golden), logits)).toBe(true)
  })
})

describe('written', () => {
  test('with ranks and scales of their own: gives the same logits again', () => {
    using temporary = temporaryFolder()
    const golden = open('lora')
    const folder = join(temporary.path, 'mlx')
    using model = golden.model
    let logits = new Float32Array()
    {
      using adapter = attachLora(model, {
        targetModules: ['q_proj', 'up_proj', 'lm_head'],
        rank: 4,
        alpha: 6,
        rankPattern: { up_proj: 2 },
        alphaPattern: { lm_head: 1 },
        init: false,
      })
      logits = Float32Array.from(logitsOf(model, golden))
      saveMlxAdapter(folder, adapter, { baseModel: 'org/model' })
    }
    const config: unknown = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))
    expect(config).toMatchObject({
      fine_tune_type: 'lora',
      model: 'org/model',
      num_layers: 3,
      lora_parameters: { rank: 4, scale: 1.5, dropout: 0 },
    })
    const { entries } = openCheckpoint(join(folder, 'adapters.safetensors'))
    expect(entries.get('model.layers.2.mlp.up_proj.lora_a')?.shape).toEqual([32, 4])
    expect(entries.get('lm_head.lora_b')?.shape).toEqual([4, model.info.vocabSize])
    using _again = loadAdapter(model, folder)
    expect(relativeError(logitsOf(model, golden), logits)).toBeLessThanOrEqual(1e-6)
  })

  test.each(['lora', 'gpt2', 'dora'])('%s as mlx-lm had it: the same tensors', (name) => {
    using temporary = temporaryFolder()
    const golden = open(name)
    const folder = join(temporary.path, 'mlx')
    using model = golden.model
    using adapter = loadAdapter(model, golden.folder)
    saveMlxAdapter(folder, adapter, { baseModel: golden.base })
    const [ours, theirs] = [folder, golden.folder].map((path) =>
      openCheckpoint(join(path, 'adapters.safetensors')),
    )
    expect([...ours.entries.keys()].toSorted()).toEqual([...theirs.entries.keys()].toSorted())
    for (const [key, entry] of theirs.entries) {
      const own = ours.entries.get(key)
      if (!own) throw new Error(key)
      expect(own.shape, key).toEqual(entry.shape)
      expect(sameBytes(ours.read(own), theirs.read(entry)), key).toBe(true)
    }
  })

  test('beside an adapter of PEFT is refused, and that stays', () => {
    using temporary = temporaryFolder()
    using model = loadModel(LLAMA, { device: cpu })
    using adapter = attachLora(model, { targetModules: ['q_proj'], rank: 2 })
    saveAdapter(temporary.path, adapter, { baseModel: null })
    expect(errorOf(() => saveMlxAdapter(temporary.path, adapter, { baseModel: null })).code).toBe('E_FILE')
    expect(readAdapterConfig(temporary.path)).toMatchObject({ peft_type: 'LORA' })
    expect(existsSync(join(temporary.path, 'adapters.safetensors'))).toBe(false)
  })
})

describe('what cannot be read is refused and leaves the model as it was', () => {
  test.each<[string, Readonly<Record<string, unknown>>, TrituneError['code'], string]>([
    ['weights of a model', { fine_tune_type: 'full' }, 'E_UNSUPPORTED', 'mlx_lm.fuse'],
    ['another kind', { fine_tune_type: 'vera' }, 'E_UNSUPPORTED', '"vera"'],
    ['no parameters', { lora_parameters: null }, 'E_ADAPTER', 'lora_parameters'],
    [
      'a rank of 0',
      { lora_parameters: { rank: 0, scale: 20, dropout: 0 } },
      'E_ADAPTER',
      'lora_parameters.rank',
    ],
    [
      'alpha for scale',
      { lora_parameters: { rank: 4, alpha: 20, dropout: 0 } },
      'E_ADAPTER',
      'lora_parameters.scale',
    ],
    [
      'a dropout of 1',
      { lora_parameters: { rank: 4, scale: 20, dropout: 1 } },
      'E_ADAPTER',
      'lora_parameters.dropout',
    ],
    [
      'another rank',
      { lora_parameters: { rank: 5, scale: 20, dropout: 0 } },
      'E_ADAPTER',
      'has shape (4, 32)',
    ],
  ])('%s', (_, changes, code, said) => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    cpSync(join(FOLDER, 'lora'), folder, { recursive: true })
    const path = join(folder, 'adapter_config.json')
    const config: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...config, ...changes }))
    using model = loadModel(LLAMA, { device: cpu })
    const error = errorOf(() => loadAdapter(model, folder))
    expect(error.code).toBe(code)
    expect(error.message).toContain(said)
    expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
  })

  test.each<[string, (folder: string) => void, TrituneError['code']]>([
    ['no weights', (folder) => rmSync(join(folder, 'adapters.safetensors')), 'E_FILE'],
    ['no configuration', (folder) => rmSync(join(folder, 'adapter_config.json')), 'E_FILE'],
    [
      'a configuration that is a list',
      (folder) => writeFileSync(join(folder, 'adapter_config.json'), '[]'),
      'E_FORMAT',
    ],
    [
      'weights that are cut off',
      (folder) => writeFileSync(join(folder, 'adapters.safetensors'), '12345678{'),
      'E_FORMAT',
    ],
    [
      'an adapter for another model',
      (folder) => cpSync(join(FOLDER, 'gpt2/adapters.safetensors'), join(folder, 'adapters.safetensors')),
      'E_ADAPTER',
    ],
  ])('%s', (_, damage, code) => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    cpSync(join(FOLDER, 'lora'), folder, { recursive: true })
    damage(folder)
    using model = loadModel(LLAMA, { device: cpu })
    expect(errorOf(() => loadAdapter(model, folder)).code).toBe(code)
  })
})
