/**
 * Checkpoints with packed weights (tests/oracle/quantized_checkpoints.py): those of bitsandbytes stay packed, GPTQ and AWQ become numbers;
 * what is wrong with one is named.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { type TensorSource, writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { tensorDType } from '../../../core/files/safetensors.ts'
import {
  countLiveTensors,
  type ErrorCode,
  denseWeight,
  headLogits,
  isQuantized,
  noGrad,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import { saveQuantized } from '../../../plugins/finetune/mod.ts'
import { createBatch, loadModel, storedDType } from '../../../plugins/models/mod.ts'
import { fp4, isSkipped, nf4, packLayers } from '../../../plugins/qlora/mod.ts'
import { GOLDEN, goldenJson, relativeError, temporaryFolder } from '../../_golden.ts'
import { cpu } from '../finetune/_run.ts'

interface Reference {
  readonly ids: number[]
  readonly weights: Readonly<Record<string, { sum: number; first: number[]; last: number[] }>>
  readonly logits: number[]
}

const FOLDERS = [
  'nf4',
  'nf4-bf16',
  'fp4',
  'int8',
  'gptq4',
  'gptq4-act-order',
  'gptq4-v2',
  'gptq8',
  'awq',
] as const
const folderOf = (name: string): string => join(GOLDEN, 'quantized', name)

function logitsOf(folder: string, ids: readonly number[]): Float32Array {
  using model = loadModel(folder, { device: cpu, dtype: 'f32' })
  using _scope = tensorScope()
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, cpu))).toArray())
}

describe('a checkpoint in', () => {
  test.each([...FOLDERS])('%s has the weights and logits of float64', (name) => {
    const { ids, weights, logits } = goldenJson<Reference>('quantized', `${name}.json`)
    using model = loadModel(folderOf(name), { device: cpu, dtype: 'f32' })
    for (const [path, expected] of Object.entries(weights)) {
      const layer = model.layers.get(path)
      if (!layer) throw new Error(`there is no ${path}`)
      using weight = denseWeight(layer)
      const got = weight.toArray()
      expect(relativeError(got.slice(0, 8), expected.first)).toBeLessThan(1e-6)
      expect(relativeError(got.slice(-4), expected.last)).toBeLessThan(1e-6)
      const sum = got.reduce((total, value) => total + value, 0)
      expect(Math.abs(sum - expected.sum)).toBeLessThan(1e-3 + 1e-5 * Math.abs(expected.sum))
    }
    // int8 rounds what goes in as well.
    expect(relativeError(logitsOf(folderOf(name), ids), logits)).toBeLessThan(name === 'int8' ? 0.03 : 1e-5)
  })

  test('bitsandbytes stays packed, but for what was skipped', () => {
    for (const [name, kind] of [
      ['nf4', 'nf4'],
      ['nf4-bf16', 'nf4'],
      ['fp4', 'fp4'],
      ['int8', 'int8'],
    ] as const) {
      using model = loadModel(folderOf(name), { device: cpu })
      for (const { path, kind: place, weight } of model.layers.values()) {
        const plain = place !== 'linear' || (name === 'int8' && path.endsWith('down_proj'))
        expect(isQuantized(weight) ? weight.kind : 'plain').toBe(plain ? 'plain' : kind)
        if (isQuantized(weight)) expect(weight.threshold).toBe(kind === 'int8' ? 6 : 0)
      }
    }
    expect(storedDType(folderOf('int8'))).toBe('bf16')
    expect(storedDType(folderOf('gptq4'))).toBe('f16')
  })

  test('GPTQ is packed again where that is asked for', () => {
    const pack = packLayers(nf4.create({ block: 64, double_quant: false }), 'f32', { skip: ['o_proj'] })
    using model = loadModel(folderOf('gptq4'), { device: cpu, pack })
    const kinds = [...model.layers.values()].map(({ weight }) => isQuantized(weight) && weight.kind)
    expect(kinds.filter((kind) => kind === 'nf4')).toHaveLength(6)
  })
})

describe('what is saved packed', () => {
  test.each([nf4, fp4])(
    'is the same again, and has the tensors and the state of transformers',
    (definition) => {
      using temporary = temporaryFolder()
      const source = folderOf('nf4')
      const plain = join(temporary.path, 'plain')
      const { name } = definition
      {
        using model = loadModel(source, { device: cpu, dtype: 'bf16' })
        saveQuantized(model, source, plain)
      }
      if (name === 'nf4') {
        const [theirs, ours] = [openCheckpoint(source), openCheckpoint(plain)]
        expect([...ours.entries.keys()].toSorted()).toEqual([...theirs.entries.keys()].toSorted())
        for (const [key, entry] of theirs.entries) {
          const own = ours.entries.get(key) ?? entry
          expect([key, own.storedDType, own.shape]).toEqual([key, entry.storedDType, entry.shape])
          expect(Buffer.compare(ours.read(own), theirs.read(entry))).toBe(0)
        }
        const config = JSON.parse(readFileSync(join(plain, 'config.json'), 'utf8'))
        const expected = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'))
        expect({
          ...config.quantization_config,
          llm_int8_skip_modules: null,
          bnb_4bit_compute_dtype: '',
        }).toEqual({
          ...expected.quantization_config,
          bnb_4bit_compute_dtype: '',
        })
      }
      const packed = join(temporary.path, 'packed')
      const pack = packLayers(definition.create({ block: 128, double_quant: name === 'nf4' }), 'f32')
      {
        using model = loadModel(folderOf('awq'), { device: cpu, dtype: 'f32', pack })
        saveQuantized(model, folderOf('awq'), packed, { maxShardBytes: 4096 })
      }
      using again = loadModel(packed, { device: cpu, dtype: 'f32' })
      using before = loadModel(folderOf('awq'), { device: cpu, dtype: 'f32', pack })
      for (const [path, layer] of again.layers) {
        const other = before.layers.get(path)
        if (!other) throw new Error(path)
        expect(isQuantized(layer.weight)).toBe(isQuantized(other.weight))
        using a = denseWeight(layer)
        using b = denseWeight(other)
        expect(a.toArray()).toEqual(b.toArray())
      }
    },
  )

  test('keeps int8, its threshold and what was skipped', () => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'again')
    {
      using model = loadModel(folderOf('int8'), { device: cpu, dtype: 'bf16' })
      saveQuantized(model, folderOf('int8'), folder)
    }
    const text = readFileSync(join(folder, 'config.json'), 'utf8')
    expect(text).toContain('"llm_int8_threshold": 6.0')
    expect(JSON.parse(text).quantization_config.llm_int8_skip_modules).toEqual([
      'model.layers.0.mlp.down_proj',
      'lm_head',
    ])
    const { ids } = goldenJson<Reference>('quantized', 'int8.json')
    expect(logitsOf(folder, ids)).toEqual(logitsOf(folderOf('int8'), ids))
  })
})

interface Change {
  readonly config?: Readonly<Record<string, unknown>>
  /** null leaves the tensor out. */
  readonly bytes?: (name: string, bytes: Uint8Array) => Uint8Array | null
}

/** Loads a changed copy; the error must leave nothing open. */
function refusal(name: string, { config = {}, bytes = (_, all) => all }: Change): TrituneError {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'model')
  cpSync(folderOf(name), folder, { recursive: true })
  const file = join(folder, 'config.json')
  const now = JSON.parse(readFileSync(file, 'utf8'))
  const quantization = { ...now.quantization_config, ...config }
  writeFileSync(file, JSON.stringify({ ...now, quantization_config: quantization }))
  const checkpoint = openCheckpoint(folderOf(name))
  const sources = [...checkpoint.entries.values()].flatMap((entry): TensorSource[] => {
    const changed = bytes(entry.name, Uint8Array.from(checkpoint.read(entry)))
    if (changed === null) return []
    const shape = changed.length === entry.bytes ? entry.shape : [changed.length]
    const dtype = changed.length === entry.bytes ? tensorDType(entry) : 'u8'
    return [{ name: entry.name, dtype, shape, chunks: () => [changed] }]
  })
  writeSafetensors(join(folder, 'model.safetensors'), sources)
  const before = countLiveTensors()
  try {
    using _model = loadModel(folder, { device: cpu })
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    expect(countLiveTensors()).toBe(before)
    return error
  }
  throw new Error('the model was loaded')
}

const text = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const only =
  (suffix: string, change: (bytes: Uint8Array) => Uint8Array | null) =>
  (name: string, bytes: Uint8Array): Uint8Array | null =>
    name.endsWith(`q_proj.${suffix}`) ? change(bytes) : bytes
const state = (fields: object): Change => ({
  bytes: only('weight.quant_state.bitsandbytes__nf4', (bytes) =>
    text({ ...JSON.parse(new TextDecoder().decode(bytes)), ...fields }),
  ),
})

describe('is refused by name:', () => {
  const cases: readonly (readonly [string, string, Change, ErrorCode, string])[] = [
    [
      'no table of codes',
      'nf4',
      { bytes: only('weight.quant_map', () => null) },
      'E_FORMAT',
      'q_proj.weight.quant_map',
    ],
    [
      'another table',
      'nf4',
      { bytes: only('weight.quant_map', (b) => b.fill(1)) },
      'E_UNSUPPORTED',
      'table of codes',
    ],
    [
      'no state',
      'nf4',
      { bytes: only('weight.quant_state.bitsandbytes__nf4', () => null) },
      'E_FORMAT',
      'neither a quant_state nor an SCB',
    ],
    [
      'a state that is no JSON',
      'nf4',
      { bytes: only('weight.quant_state.bitsandbytes__nf4', () => Uint8Array.of(123)) },
      'E_FORMAT',
      'not valid JSON',
    ],
    ['another shape', 'nf4', state({ shape: [16, 64] }), 'E_FORMAT', 'it is of shape [16,64]'],
    ['blocks of 16', 'nf4', state({ blocksize: 16 }), 'E_FORMAT', 'blocksize is 16'],
    ['no block at all', 'nf4', state({ blocksize: 'many' }), 'E_FORMAT', 'blocksize is "many"'],
    [
      'an offset that is no number',
      'nf4',
      state({ nested_offset: null }),
      'E_FORMAT',
      'nested_offset is null',
    ],
    ['codes cut off', 'nf4', { bytes: only('weight', (b) => b.subarray(1)) }, 'E_FORMAT', 'has 511 bytes'],
    [
      'scales that are not there',
      'nf4',
      { bytes: only('weight.nested_absmax', () => null) },
      'E_FORMAT',
      'nested_absmax',
    ],
    [
      'NaN in scales',
      'nf4',
      { bytes: only('weight.nested_absmax', (b) => b.fill(255)) },
      'E_FORMAT',
      'NaN or Inf',
    ],
    [
      'int8 without SCB',
      'int8',
      { bytes: only('SCB', () => null) },
      'E_FORMAT',
      'neither a quant_state nor an SCB',
    ],
    [
      'int8 in another layout',
      'int8',
      { bytes: only('weight_format', (b) => b.fill(2)) },
      'E_UNSUPPORTED',
      'layout of a GPU',
    ],
    [
      'a group that is not there',
      'gptq4',
      { bytes: only('g_idx', (b) => b.fill(1)) },
      'E_FORMAT',
      'names a group',
    ],
    ['GPTQ of three bits', 'gptq4', { config: { bits: 3 } }, 'E_UNSUPPORTED', 'GPTQ of 3 bits'],
    ['GPTQ for a GPU', 'gptq4', { config: { checkpoint_format: 'marlin' } }, 'E_UNSUPPORTED', 'marlin'],
    ['AWQ of another kind', 'awq', { config: { version: 'gemv' } }, 'E_UNSUPPORTED', 'gemv'],
    ['groups of nothing', 'awq', { config: { group_size: 0 } }, 'E_FORMAT', 'group_size is 0'],
    ['another method', 'awq', { config: { quant_method: 'hqq' } }, 'E_UNSUPPORTED', '"hqq"'],
  ]
  test.each(cases)('%s (%s)', (_, name, change, code, message) => {
    const error = refusal(name, change)
    expect(error.message).toContain(message)
    expect(error.code).toBe(code)
  })

  test('training the packed weights themselves', () => {
    expect(() => loadModel(folderOf('nf4'), { device: cpu, writable: true })).toThrow(
      'packed weights cannot be trained',
    )
  })
})

test('modules are skipped as transformers skips them', () => {
  const path = 'model.layers.1.mlp.gate_proj'
  for (const pattern of ['gate_proj', 'model.layers.1', 'model.layers.\\d+.mlp', 'mlp.gate_proj', '.*'])
    expect([pattern, isSkipped(path, [pattern])]).toEqual([pattern, true])
  for (const pattern of ['model.layers.11', 'gate', 'model.layers.1.mlp.gate', 'lm_head', '('])
    expect([pattern, isSkipped(path, [pattern])]).toEqual([pattern, false])
})
