/**
 * What is trained beside an adapter — whole modules, rows of the vocabulary, biases — beside what PEFT computes with the same files.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import { type Device, referenceDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  adapterVocabulary,
  attachLora,
  type AttachedAdapter,
  loadAdapter,
  type LoraModelOptions,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import {
  GOLDEN,
  goldenJson,
  logitsOf,
  lossAndGradients,
  readFloats,
  readSequences,
  relativeError,
  sameBytes,
  type Sequences,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()
const ROOT = join(GOLDEN, 'peft-beside')
/** LoRA on an embedding, with the whole table beside it. */
const LATER: readonly string[] = ['embedding-saved']

interface Golden {
  readonly folder: string
  readonly base: string
  readonly loss: number
  readonly effect: number
  readonly vocabulary: number | null
  readonly expected: Checkpoint
  readonly sequences: Sequences
  readonly logits: Float32Array
}

function open(name: string): Golden {
  const folder = join(ROOT, name)
  const info = goldenJson<Pick<Golden, 'base' | 'loss' | 'effect' | 'vocabulary'>>(
    'peft-beside',
    name,
    'expected.json',
  )
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  return {
    ...info,
    folder,
    base: join(folder, info.base),
    expected,
    sequences: readSequences(expected),
    logits: readFloats(expected, 'logits'),
  }
}

function gradientsOf({ parameters }: AttachedAdapter): Map<string, Float32Array> {
  return new Map([...parameters].map(([name, { grad }]) => [name, grad?.toArray() ?? new Float32Array()]))
}

const devices: readonly Device[] = [cpu, referenceDevice, createHostlessDevice()]
const names = readdirSync(ROOT).filter((name) => !LATER.includes(name))

describe.each(names)('%s', (name) => {
  const golden = open(name)
  const { folder, base, sequences, logits, expected } = golden
  const vocabSize = golden.vocabulary ?? undefined

  test.each(devices.map((device) => [device.name, device] as const))(
    'logits, loss and gradients of PEFT on %s',
    (_, device) => {
      expect(adapterVocabulary(folder) <= (vocabSize ?? 101)).toBe(true)
      using model = loadModel(base, { device, vocabSize: adapterVocabulary(folder) })
      const plain = logitsOf(model, sequences)
      {
        using adapter = loadAdapter(model, folder)
        expect(relativeError(logitsOf(model, sequences), logits)).toBeLessThanOrEqual(1e-5)
        for (const checkpointing of [false, true]) {
          for (const { grad, size } of adapter.parameters.values()) grad?.set(new Float32Array(size))
          expect(lossAndGradients(model, sequences, { checkpointing })).toBeCloseTo(golden.loss, 4)
          const gradients = gradientsOf(adapter)
          const wanted = [...expected.entries.keys()].filter((key) => key.startsWith('grad.'))
          for (const key of wanted) {
            const own = gradients.get(key.slice('grad.base_model.model.'.length))
            expect(relativeError(own ?? [], readFloats(expected, key)), key).toBeLessThanOrEqual(1e-4)
          }
          expect(gradients.size).toBe(wanted.length)
        }
      }
      expect(sameBytes(logitsOf(model, sequences), plain)).toBe(true)
    },
  )

  test('saved again: the same tensors and fields', () => {
    using out = temporaryFolder()
    using model = loadModel(base, { device: cpu, vocabSize: adapterVocabulary(folder) })
    using adapter = loadAdapter(model, folder)
    saveAdapter(out.path, adapter, { baseModel: golden.base })
    const [ours, theirs] = [out.path, folder].map((one) =>
      openCheckpoint(join(one, 'adapter_model.safetensors')),
    )
    // PEFT repeats what is saved whole, beside what it was before, when the vocabulary was resized.
    const kept = [...theirs.entries.keys()].filter((key) => !/modules_to_save|original_module/.test(key))
    expect([...ours.entries.keys()].toSorted()).toEqual(kept.toSorted())
    for (const key of kept) expect(sameBytes(readFloats(ours, key), readFloats(theirs, key)), key).toBe(true)
  })

  test('merged, written and opened again: the same logits', () => {
    using out = temporaryFolder()
    {
      using model = loadModel(base, { device: cpu, vocabSize: adapterVocabulary(folder) })
      using _adapter = loadAdapter(model, folder)
      saveModel(model, base, out.path)
    }
    using merged = loadModel(out.path, { device: cpu })
    const isTied = { 'tokens-tied': true, 'modules-tied-ensured': true, 'modules-tied-both': false }[name]
    if (isTied !== undefined) expect(merged.info.config['tie_word_embeddings'] ?? true).toBe(isTied)
    expect(relativeError(logitsOf(merged, sequences), logits)).toBeLessThanOrEqual(1e-5)
  })
})

describe('a fresh adapter', () => {
  const base = join(GOLDEN, 'peft-train/base')
  const tied = join(GOLDEN, 'models/llama')
  const { sequences } = open('tokens')
  const namesIn = (folder: string): string[] =>
    [...openCheckpoint(join(folder, 'adapter_model.safetensors')).entries.keys()].toSorted()

  const fresh: Readonly<Record<string, readonly [string, string, Omit<LoraModelOptions, 'targetModules'>]>> =
    {
      modules: ['modules', 'q_proj', { modulesToSave: ['lm_head', 'norm'] }],
      'modules-tied-ensured': [
        'modules-tied-ensured',
        'q_proj',
        { modulesToSave: ['lm_head'], ensureWeightTying: true },
      ],
      tokens: ['tokens', 'q_proj', { trainableTokenIndices: [3, 7, 11] }],
      'tokens-both': [
        'tokens-both',
        'q_proj',
        { trainableTokenIndices: { embed_tokens: [3, 7, 11], lm_head: [7, 1] } },
      ],
    }
  test.each(Object.entries(fresh))('%s leaves the model as it is and writes what PEFT writes', (_, parts) => {
    const [name, target, options] = parts
    const golden = open(name)
    using out = temporaryFolder()
    for (const device of devices) {
      using model = loadModel(golden.base, { device })
      const plain = logitsOf(model, sequences)
      using adapter = attachLora(model, { rank: 3, alpha: 6, targetModules: [target], ...options })
      expect(relativeError(logitsOf(model, sequences), plain)).toBeLessThanOrEqual(1e-6)
      saveAdapter(out.path, adapter, { baseModel: golden.base })
    }
    expect(namesIn(out.path)).toEqual(namesIn(golden.folder))
    const fields = goldenJson<Record<string, unknown>>('peft-beside', name, 'adapter_config.json')
    const own = JSON.parse(readFileSync(join(out.path, 'adapter_config.json'), 'utf8'))
    expect(own.trainable_token_indices).toEqual(fields['trainable_token_indices'])
  })

  test('bf16 weights: what is trained stays f32', () => {
    using model = loadModel(base, { device: cpu, dtype: 'bf16' })
    using adapter = attachLora(model, {
      targetModules: ['q_proj'],
      modulesToSave: ['norm'],
      trainableTokenIndices: { embed_tokens: [3, 4], lm_head: [5] },
    })
    for (const { dtype } of adapter.parameters.values()) expect(dtype).toBe('f32')
    expect(lossAndGradients(model, sequences, { checkpointing: false })).toBeGreaterThan(0)
    for (const [name, { grad }] of adapter.parameters)
      expect(
        grad?.toArray().every((value) => Number.isFinite(value)),
        name,
      ).toBe(true)
  })

  test('many rows of a head: the same numbers as few', () => {
    const many = Array.from({ length: 90 }, (_, i) => i)
    const losses = [many, many.slice(0, 9)].map((ids) => {
      using model = loadModel(tied, { device: cpu })
      using adapter = attachLora(model, { targetModules: ['q_proj'], trainableTokenIndices: ids })
      const loss = lossAndGradients(model, sequences, { checkpointing: false })
      const grad = adapter.parameters.get('model.embed_tokens.token_adapter.trainable_tokens_delta')?.grad
      return { loss, grad: grad?.toArray().slice(0, 9 * 32) ?? new Float32Array() }
    })
    expect(losses[0].loss).toBeCloseTo(losses[1].loss, 5)
    expect(relativeError(losses[0].grad, losses[1].grad)).toBeLessThanOrEqual(1e-4)
  })
})

describe('what does not fit is one clear error, and the model is as before', () => {
  const base = join(GOLDEN, 'peft-train/base')
  test.each([
    ['a module that is not there', { modulesToSave: ['lm_heat'] }, '"lm_heat" is no module'],
    ['a token that is not there', { trainableTokenIndices: [101] }, 'has no token 101'],
    ['a token twice', { trainableTokenIndices: [4, 4] }, 'names a token twice'],
    ['no token', { trainableTokenIndices: [] }, 'names no tokens'],
    ['rows of a layer without tokens', { trainableTokenIndices: { q_proj: [1] } }, 'no layer with a row'],
    [
      'a module in two ways',
      { modulesToSave: ['embed_tokens'], trainableTokenIndices: [1] },
      'is trained in two ways',
    ],
    ['a module that is all of the targets', { modulesToSave: ['self_attn'] }, 'has all that target_modules'],
  ] as const)('%s', (_, options, message) => {
    using model = loadModel(base, { device: cpu })
    expect(() => attachLora(model, { targetModules: ['q_proj'], ...options })).toThrow(message)
    for (const { adapters } of model.layers.values()) expect(adapters.length).toBe(0)
  })

  test('an adapter with more tokens than the model', () => {
    using model = loadModel(base, { device: cpu })
    expect(() => loadAdapter(model, join(ROOT, 'resized-modules'))).toThrow(
      'the adapter is of a vocabulary of 104 tokens, the model has 101',
    )
  })
})
