/**
 * BitNet checkpoints of transformers (tests/oracle/bitnet.py): they give its logits, are written again byte for byte, and what is wrong with
 * one is named.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { type TensorSource, writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { tensorDType } from '../../../core/files/safetensors.ts'
import {
  countLiveTensors,
  headLogits,
  isQuantized,
  noGrad,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import { saveModel, saveQuantized } from '../../../plugins/finetune/mod.ts'
import { absMean } from '../../../plugins/bitnet/mod.ts'
import { createBatch, loadModel, type LoadModelOptions } from '../../../plugins/models/mod.ts'
import { nf4, packLayers } from '../../../plugins/qlora/mod.ts'
import { GOLDEN, goldenJson, relativeError, temporaryFolder } from '../../_golden.ts'
import { cpu } from '../finetune/_run.ts'

const FOLDERS = ['bitlinear', 'packed-auto', 'autobitlinear', 'online', 'normed', 'model-type'] as const
const folderOf = (name: string): string => join(GOLDEN, 'bitnet', name)

interface Reference {
  readonly ids: number[]
  readonly logits: number[]
}

function logitsOf(folder: string, ids: readonly number[], options: LoadModelOptions = {}): Float32Array {
  using model = loadModel(folder, { device: cpu, dtype: 'f32', ...options })
  using _scope = tensorScope()
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, cpu))).toArray())
}

describe('a checkpoint of transformers', () => {
  test.each([...FOLDERS])('%s has its logits', (name) => {
    const { ids, logits } = goldenJson<Reference>('bitnet', `${name}.json`)
    // One activation that is rounded to the other side would move a logit by about a hundredth.
    expect(relativeError(logitsOf(folderOf(name), ids), logits)).toBeLessThan(1e-4)
    using model = loadModel(folderOf(name), { device: cpu })
    for (const { kind, weight } of model.layers.values())
      if (kind !== 'norm')
        expect(isQuantized(weight) ? weight.kind : 'plain').toBe(kind === 'linear' ? 'ternary' : 'plain')
  })

  test.each(['online', 'normed'])(
    '%s that is to be trained computes the same with its own weights',
    (name) => {
      const { ids, logits } = goldenJson<Reference>('bitnet', `${name}.json`)
      expect(relativeError(logitsOf(folderOf(name), ids, { writable: true }), logits)).toBeLessThan(1e-4)
      using model = loadModel(folderOf(name), { device: cpu, dtype: 'f32', writable: true })
      using temporary = temporaryFolder()
      const folder = join(temporary.path, 'again')
      saveModel(model, folderOf(name), folder)
      expect(tensorsOf(folder).toSorted()).toEqual(tensorsOf(folderOf(name)).toSorted())
      expect(configOf(folder).quantization_config).toEqual(configOf(folderOf(name)).quantization_config)
      expect(relativeError(logitsOf(folder, ids), logits)).toBeLessThan(1e-4)
    },
  )

  test('is written again byte for byte, in both classes', () => {
    for (const [name, linearClass] of [
      ['bitlinear', 'bitlinear'],
      ['packed-auto', 'autobitlinear'],
    ] as const) {
      using temporary = temporaryFolder()
      const folder = join(temporary.path, 'again')
      {
        using model = loadModel(folderOf(name), { device: cpu })
        saveQuantized(model, folderOf(name), folder, { linearClass })
      }
      const [ours, theirs] = [openCheckpoint(folder), openCheckpoint(folderOf(name))]
      expect([...ours.entries.keys()].toSorted()).toEqual([...theirs.entries.keys()].toSorted())
      for (const [key, entry] of theirs.entries) {
        const again = ours.entries.get(key) ?? never()
        expect(again.shape).toEqual(entry.shape)
        // 1/(1/s) can be another number in its last place.
        if (key.endsWith('weight_scale'))
          expect(relativeError(floats(ours.read(again)), floats(theirs.read(entry)))).toBeLessThan(2e-7)
        else expect(Buffer.compare(ours.read(again), theirs.read(entry))).toBe(0)
      }
      expect(configOf(folder).quantization_config).toEqual({
        rms_norm_eps: 1e-6,
        use_rms_norm: false,
        ...configOf(folderOf(name)).quantization_config,
      })
    }
  })

  test('one that was trained is packed by absMean, whatever else is asked for', () => {
    using asked = loadModel(folderOf('online'), {
      device: cpu,
      pack: packLayers(nf4.create({ block: 64, double_quant: true }), 'bf16'),
    })
    const layer = asked.layers.get('model.layers.0.mlp.up_proj') ?? never()
    using latent = loadModel(folderOf('online'), { device: cpu, writable: true })
    using packed = absMean().quantize(latent.weights.get('model.layers.0.mlp.up_proj.weight') ?? never())
    if (!isQuantized(layer.weight)) throw new Error('it is not packed')
    expect([...layer.weight.parts.data.toArray()]).toEqual([...packed.parts.data.toArray()])
  })
})

describe('what is wrong is named', () => {
  const UP = 'model.layers.0.mlp.up_proj'
  const cases: readonly (readonly [string, (source: Source) => Source | null, string])[] = [
    [
      'no scale',
      (s) => (s.name === `${UP}.weight_scale` ? null : s),
      `there is no tensor "${UP}.weight_scale"`,
    ],
    [
      'a code 3',
      (s) =>
        s.name === `${UP}.weight`
          ? { ...s, bytes: s.bytes.map((byte, i) => (i === 5 ? byte | 0b1100 : byte)) }
          : s,
      `tensor "${UP}.weight" has a code 3 at byte 5; trits are 0, 1 and 2`,
    ],
    [
      'a scale of 0',
      (s) => (s.name === `${UP}.weight_scale` ? { ...s, bytes: new Uint8Array(4) } : s),
      `tensor "${UP}.weight_scale" is 0, a scale is above 0`,
    ],
    [
      'half of the rows',
      (s) => (s.name === `${UP}.weight` ? { ...s, shape: [8, 32], bytes: s.bytes.slice(0, 256) } : s),
      `tensor "${UP}.weight" is U8 (8, 32), expected U8 (16, 32)`,
    ],
    [
      'no weight',
      (s) => (s.name === `${UP}.weight` ? null : s),
      `the checkpoint has no tensor "${UP}.weight"`,
    ],
  ]
  test.each([...cases])('%s', (_, change, message) => {
    using temporary = temporaryFolder()
    const folder = changed('bitlinear', temporary.path, change)
    const before = countLiveTensors()
    expect(refusalOf(folder).message).toContain(message)
    expect(countLiveTensors()).toBe(before)
  })

  test('floats beside a scale that are no trits', () => {
    using temporary = temporaryFolder()
    const folder = changed('autobitlinear', temporary.path, (s) =>
      s.name === `${UP}.weight`
        ? { ...s, bytes: new Uint8Array(Float32Array.from({ length: s.bytes.length / 4 }, () => 0.5).buffer) }
        : s,
    )
    expect(refusalOf(folder).message).toContain(
      'has 0.5 at element 0; beside a weight_scale it holds −1, 0 and 1',
    )
  })

  test.each([
    [{ linear_class: 'other' }, 'linear_class is "other", expected bitlinear or autobitlinear'],
    [{ quantization_mode: 1 }, 'quantization_mode is 1, expected offline or online'],
    [{ use_rms_norm: 'yes' }, 'use_rms_norm is "yes"'],
    [{ modules_to_not_convert: 'lm_head' }, 'modules_to_not_convert is "lm_head", expected a list of names'],
  ])('config.json with %j', (fields, message) => {
    using temporary = temporaryFolder()
    const folder = changed('bitlinear', temporary.path, (s) => s, fields)
    expect(refusalOf(folder).message).toContain(message)
  })

  test('out that is no multiple of 4, trained weights that are packed, and forms that transformers has not: nothing is written', () => {
    using temporary = temporaryFolder()
    const folder = changed(
      'bitlinear',
      temporary.path,
      (s) => s,
      {},
      { num_attention_heads: 1, num_key_value_heads: 1, head_dim: 30 },
    )
    expect(refusalOf(folder).message).toContain('BitNet packs 4 rows a byte, (30, 32) has no multiple of 4')
    expect(() => loadModel(folderOf('bitlinear'), { device: cpu, writable: true })).toThrow(
      'packed weights cannot be trained',
    )
    const output = join(temporary.path, 'out')
    using plain = loadModel(folderOf('online'), { device: cpu, writable: true })
    expect(() => saveQuantized(plain, folderOf('online'), output)).toThrow('no layer of the model is packed')
    expect(existsSync(output)).toBe(false)
  })
})

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Source {
  readonly name: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

function changed(
  name: string,
  into: string,
  change: (source: Source) => Source | null,
  quantization: object = {},
  config: object = {},
): string {
  const checkpoint = openCheckpoint(folderOf(name))
  const sources: TensorSource[] = [...checkpoint.entries.values()].flatMap((entry) => {
    const made = change({
      name: entry.name,
      shape: entry.shape,
      bytes: Uint8Array.from(checkpoint.read(entry)),
    })
    return made
      ? [{ name: made.name, dtype: tensorDType(entry), shape: made.shape, chunks: () => [made.bytes] }]
      : []
  })
  writeSafetensors(join(into, 'model.safetensors'), sources, { format: 'pt' })
  const whole = configOf(folderOf(name))
  const quantization_config = { ...whole.quantization_config, ...quantization }
  writeFileSync(join(into, 'config.json'), JSON.stringify({ ...whole, ...config, quantization_config }))
  return into
}

function refusalOf(folder: string): TrituneError {
  try {
    using _model = loadModel(folder, { device: cpu })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

function configOf(folder: string): { quantization_config: Record<string, unknown> } {
  return JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
}

function tensorsOf(folder: string): string[] {
  return [...openCheckpoint(folder).entries.values()].map(({ name, shape }) => `${name} ${shape.join()}`)
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

function never(): never {
  throw new Error('there is none')
}
