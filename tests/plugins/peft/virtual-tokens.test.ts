/**
 * Prompt tuning, prefix tuning and p-tuning beside what PEFT computes: encoders that are trained and not saved, initial values, fields of the file.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  backward,
  type Device,
  headCrossEntropy,
  headLogits,
  type Model,
  noGrad,
  referenceDevice,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  attachAdapter,
  type AttachedAdapter,
  loadAdapter,
  prefix,
  prompt,
  pTuning,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { GOLDEN, goldenJson, readFloats, relativeError, sameBytes, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const LENGTH = 11
const BASE = join(GOLDEN, 'peft-train/base')

/** As tests/oracle/peft_families.py made them. */
const ENCODED: Readonly<Record<string, (model: Model) => AttachedAdapter>> = {
  'p-tuning': (model) =>
    attachAdapter(
      model,
      pTuning,
      pTuning.options.validate({ num_virtual_tokens: 5, encoder_hidden_size: 12 }),
    ),
  'p-tuning-lstm': (model) =>
    attachAdapter(
      model,
      pTuning,
      pTuning.options.validate({
        num_virtual_tokens: 4,
        encoder_reparameterization_type: 'LSTM',
        encoder_hidden_size: 7,
      }),
    ),
  'prefix-projection': (model) =>
    attachAdapter(
      model,
      prefix,
      prefix.options.validate({ num_virtual_tokens: 4, prefix_projection: true, encoder_hidden_size: 10 }),
    ),
}

const devices: readonly Device[] = [cpu, referenceDevice, createHostlessDevice()]

function idsOf(expected: Checkpoint): Int32Array {
  const entry = expected.entries.get('input_ids')
  if (!entry) throw new Error('there are no input_ids')
  return new Int32Array(Uint8Array.from(expected.read(entry)).buffer)
}

function logitsOf(model: Model, ids: Int32Array): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    const batch = createBatch({ ids, offsets: [0, LENGTH, 2 * LENGTH] }, model.head.device)
    return headLogits(model.head, model.hidden(batch)).toArray()
  })
}

function lossOf(model: Model, ids: Int32Array, checkpointing: boolean): number {
  using _scope = tensorScope()
  const { device } = model.head
  const targets = ids.map((_, i) => (i % LENGTH === LENGTH - 1 ? -100 : ids[i + 1]))
  const batch = createBatch({ ids, offsets: [0, LENGTH, 2 * LENGTH] }, device)
  const hidden = model.hidden(batch, { checkpointing })
  const loss = headCrossEntropy(model.head, hidden, tensor(targets, { dtype: 'i32', device }), {
    scale: 1 / (2 * (LENGTH - 1)),
  })
  backward(loss)
  return loss.item()
}

function configOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))
}

describe.each(Object.keys(ENCODED))('%s', (name) => {
  const folder = join(GOLDEN, 'peft-families', name)
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  const saved = readFloats(openCheckpoint(join(folder, 'adapter_model.safetensors')), 'prompt_embeddings')
  const { loss } = goldenJson<{ readonly loss: number }>('peft-families', name, 'expected.json')
  const ids = idsOf(expected)
  const logits = readFloats(expected, 'logits')

  test.each(devices.map((device) => [device.name, device] as const))(
    'the encoder gives PEFT’s logits, loss and gradients on %s',
    (_, device) => {
      using model = loadModel(BASE, { device })
      using adapter = ENCODED[name](model)
      expect([...adapter.parameters.keys()].toSorted()).toEqual(
        [...expected.entries.keys()]
          .filter((key) => key.startsWith('encoder.'))
          .map((key) => key.slice('encoder.'.length))
          .toSorted(),
      )
      for (const [key, leaf] of adapter.parameters) leaf.set(readFloats(expected, `encoder.${key}`))
      expect(relativeError(logitsOf(model, ids), logits)).toBeLessThanOrEqual(1e-5)
      for (const checkpointing of [false, true]) {
        for (const { grad, size } of adapter.parameters.values()) grad?.set(new Float32Array(size))
        expect(lossOf(model, ids, checkpointing)).toBeCloseTo(loss, 4)
        for (const [key, { grad }] of adapter.parameters)
          expect(
            relativeError(grad?.toArray() ?? [], readFloats(expected, `grad.${key}`)),
            key,
          ).toBeLessThanOrEqual(1e-4)
      }
    },
  )

  test('the file has what the encoder gives, PEFT’s fields, and is read without an encoder', () => {
    using out = temporaryFolder()
    using model = loadModel(BASE, { device: cpu })
    let own = new Float32Array()
    {
      using adapter = ENCODED[name](model)
      for (const [key, leaf] of adapter.parameters) leaf.set(readFloats(expected, `encoder.${key}`))
      saveAdapter(out.path, adapter, { baseModel: '../../peft-train/base' })
      own = Float32Array.from(logitsOf(model, ids))
    }
    const written = openCheckpoint(join(out.path, 'adapter_model.safetensors'))
    expect([...written.entries.keys()]).toEqual(['prompt_embeddings'])
    expect(relativeError(readFloats(written, 'prompt_embeddings'), saved)).toBeLessThanOrEqual(1e-6)
    expect(configOf(out.path)).toEqual(configOf(folder))
    expect(Object.keys(configOf(out.path))).toEqual(Object.keys(configOf(folder)))
    using loaded = loadAdapter(model, out.path)
    expect([...loaded.parameters.keys()]).toEqual(['prompt_embeddings'])
    expect(sameBytes(logitsOf(model, ids), own)).toBe(true)
  })

  test('what PEFT saved gives PEFT’s logits', () => {
    using model = loadModel(BASE, { device: cpu })
    using _adapter = loadAdapter(model, folder)
    expect(relativeError(logitsOf(model, ids), logits)).toBeLessThanOrEqual(1e-5)
  })
})

test.each([
  ['prompt', prompt, 5],
  ['prefix', prefix, 4],
] as const)('%s: the fields of a fresh adapter are those that PEFT writes', (name, definition, tokens) => {
  using out = temporaryFolder()
  using model = loadModel(BASE, { device: cpu })
  using adapter =
    definition === prompt
      ? attachAdapter(model, prompt, prompt.options.validate({ num_virtual_tokens: tokens }))
      : attachAdapter(model, prefix, prefix.options.validate({ num_virtual_tokens: tokens }))
  saveAdapter(out.path, adapter, { baseModel: '../../peft-train/base' })
  expect(configOf(out.path)).toEqual(configOf(join(GOLDEN, 'peft-families', name)))
})

test('a prompt starts from the embeddings of a text, repeated or cut, and of random tokens', () => {
  using model = loadModel(BASE, { device: cpu })
  const { weight } = model.embedding
  const table = 'toArray' in weight ? weight.toArray() : new Float32Array()
  const width = model.info.hiddenSize
  const rowsOf = (adapter: AttachedAdapter): Float32Array[] => {
    const values = adapter.tensors.get('prompt_embeddings')?.toArray() ?? new Float32Array()
    return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
  }
  const row = (id: number): Float32Array => table.slice(id * width, (id + 1) * width)
  const words = {
    prompt_tuning_init: 'TEXT',
    prompt_tuning_init_text: 'some words',
    tokenizer_name_or_path: 'base',
  }
  const encode = (text: string): number[] => (text === 'some words' ? [3, 1, 4] : [])
  for (const [tokens, ids] of [
    [5, [3, 1, 4, 3, 1]],
    [2, [3, 1]],
  ] as const) {
    const options = prompt.options.validate({ ...words, num_virtual_tokens: tokens })
    using adapter = attachAdapter(model, prompt, options, { encode })
    expect(rowsOf(adapter)).toEqual(ids.map(row))
    expect(adapter.config).toMatchObject(words)
  }
  const sampled = prompt.options.validate({ prompt_tuning_init: 'SAMPLE_VOCAB', num_virtual_tokens: 6 })
  using adapter = attachAdapter(model, prompt, sampled, { seed: 3 })
  const known = Array.from({ length: model.info.vocabSize }, (_, id) => row(id).join())
  for (const one of rowsOf(adapter)) expect(known).toContain(one.join())
  expect(new Set(rowsOf(adapter).map(String)).size).toBeGreaterThan(1)
})

test('init_weights: zero starts a prefix from nothing, with and without a projection', () => {
  using model = loadModel(BASE, { device: cpu })
  for (const prefix_projection of [false, true]) {
    const options = prefix.options.validate({
      num_virtual_tokens: 3,
      init_weights: 'zero',
      prefix_projection,
    })
    using adapter = attachAdapter(model, prefix, options)
    expect(
      adapter.tensors
        .get('prompt_embeddings')
        ?.toArray()
        .every((value) => value === 0),
    ).toBe(true)
  }
})

describe('what does not fit is one clear error', () => {
  const attach = (options: object, more = {}): void => {
    using model = loadModel(BASE, { device: cpu })
    using _adapter = attachAdapter(model, prompt, prompt.options.validate(options), more)
  }
  test('a field of another model', () => {
    expect(() => attach({ token_dim: 99 })).toThrow('token_dim is 99, of this model 32')
    using model = loadModel(BASE, { device: cpu })
    expect(() => attachAdapter(model, prefix, prefix.options.validate({ num_attention_heads: 4 }))).toThrow(
      'num_attention_heads is 4, of this model 2',
    )
    expect(model.adapters.length).toBe(0)
  })
  test('an initial text without words, tokenizer or name', () => {
    const words = {
      prompt_tuning_init: 'TEXT',
      prompt_tuning_init_text: 'words',
      tokenizer_name_or_path: 'base',
    }
    expect(() => prompt.options.validate({ prompt_tuning_init: 'TEXT' })).toThrow('needs it')
    expect(() => attach(words)).toThrow('needs a tokenizer')
    expect(() => attach(words, { encode: () => [] })).toThrow('has no tokens')
    expect(() => attach(words, { encode: () => [9999] })).toThrow('token id 9999')
  })
  test('more tokens than the model has positions', () => {
    expect(() => attach({ num_virtual_tokens: 5000 })).toThrow('takes 5000 positions')
  })
})
