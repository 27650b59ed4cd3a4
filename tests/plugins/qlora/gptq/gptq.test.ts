/**
 * Whole models rounded by texts: they compute nearer to the plain one than by rounding to the nearest, and their folder is read as any other.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  countLiveTensors,
  type FloatDType,
  headLogits,
  isQuantized,
  type Model,
  noGrad,
  tensor,
  tensorScope,
} from '../../../../core/mod.ts'
import { loadGptq, saveQuantized } from '../../../../plugins/finetune/mod.ts'
import { shapeDevice } from '../../../../plugins/finetune/memory/shape-device.ts'
import { createBatch, loadModel, openHollowModel } from '../../../../plugins/models/mod.ts'
import { expectRoundable, gptq, nf4, openQuantizer, packLayers } from '../../../../plugins/qlora/mod.ts'
import { GOLDEN, temporaryFolder } from '../../../_golden.ts'
import { TINY_VOCABULARY, writeTinyModel } from '../../../_tiny.ts'
import { cpu } from '../../finetune/_run.ts'

const SIZES = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 }
const TEXTS: readonly number[][] = Array.from({ length: 24 }, (_, row) => {
  let id = 7 * row
  return Array.from({ length: 40 }, (_, i) => (id = (id * 13 + i * row + 5) % 61))
})
const [TEXT] = TEXTS

function logitsOf(model: Model, ids: readonly number[] = TEXT): Float32Array {
  using _scope = tensorScope()
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, cpu))).toArray())
}

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0)
}

function openTiny(folder: string, options: { readonly dtype?: FloatDType } = {}): Model {
  return loadModel(folder, { device: cpu, ...options })
}

describe('loadGptq()', () => {
  test.each([
    ['f32', 64],
    ['f32', 32],
    ['bf16', 64],
  ] as const)(
    'in %s and blocks of %i: nearer to the plain model, the same from its folder',
    (dtype, block) => {
      using temporary = temporaryFolder()
      const [folder, written] = [join(temporary.path, 'plain'), join(temporary.path, 'packed')]
      writeTinyModel(folder, SIZES)
      using plain = openTiny(folder)
      using nearest = loadModel(folder, {
        device: cpu,
        dtype,
        pack: packLayers(openQuantizer(nf4, { block }), dtype),
      })
      const seen: string[] = []
      using rounded = loadGptq(folder, TEXTS, {
        device: cpu,
        dtype,
        block,
        onLayer: (done, of) => void seen.push(`${done}/${of}`),
      })
      expect(seen.length).toBe(14)
      expect(seen.at(-1)).toBe('14/14')
      for (const layer of rounded.layers.values())
        expect(isQuantized(layer.weight)).toBe(layer.kind === 'linear')
      const wanted = logitsOf(plain)
      expect(distance(logitsOf(rounded), wanted)).toBeLessThan(0.7 * distance(logitsOf(nearest), wanted))
      saveQuantized(rounded, folder, written)
      using again = openTiny(written, { dtype })
      expect(logitsOf(again)).toEqual(logitsOf(rounded))
    },
  )

  test.each(['gpt2', 'phi3', 'gemma2', 'glm4', 'stablelm-parallel', 'cohere', 'qwen2', 'olmo2'])(
    'of %s: nearer to the plain model, the same from its folder',
    (family) => {
      using temporary = temporaryFolder()
      const [folder, written] = [join(GOLDEN, 'models', family), join(temporary.path, 'packed')]
      const how = { device: cpu, dtype: 'f32', block: 32 } as const
      using plain = openTiny(folder, { dtype: 'f32' })
      using nearest = loadModel(folder, {
        ...how,
        pack: packLayers(openQuantizer(nf4, { block: 32 }), 'f32'),
      })
      using rounded = loadGptq(folder, TEXTS, how)
      const wanted = logitsOf(plain)
      expect(distance(logitsOf(rounded), wanted)).toBeLessThan(0.6 * distance(logitsOf(nearest), wanted))
      saveQuantized(rounded, folder, written)
      using again = openTiny(written, { dtype: 'f32' })
      expect(logitsOf(again)).toEqual(logitsOf(rounded))
    },
  )

  test('the same texts give the same bytes; what is skipped stays plain; fp4 with plain scales', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path, SIZES)
    const options = { device: cpu, kind: 'fp4', doubleQuant: false, skip: ['o_proj'] } as const
    using one = loadGptq(temporary.path, TEXTS, options)
    using two = loadGptq(temporary.path, TEXTS, options)
    expect(logitsOf(one)).toEqual(logitsOf(two))
    for (const [path, { weight, kind }] of one.layers) {
      expect(isQuantized(weight)).toBe(kind === 'linear' && !path.endsWith('o_proj'))
      if (isQuantized(weight)) expect([weight.kind, weight.parts.nested]).toEqual(['fp4', undefined])
    }
  })

  test('rows that are no multiple of the block', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path, { ...SIZES, hidden_size: 48, intermediate_size: 80 })
    using plain = openTiny(temporary.path)
    using nearest = loadModel(temporary.path, { device: cpu, pack: packLayers(openQuantizer(nf4), 'f32') })
    using rounded = loadGptq(temporary.path, TEXTS, { device: cpu })
    const wanted = logitsOf(plain)
    expect(distance(logitsOf(rounded), wanted)).toBeLessThan(0.7 * distance(logitsOf(nearest), wanted))
  })
})

describe('gptq()', () => {
  test('leaves the model as it was, and frees what nobody took', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path, SIZES)
    using plain = openTiny(temporary.path)
    const before = logitsOf(plain)
    const live = countLiveTensors()
    {
      using rounded = gptq(plain, TEXTS, { layers: new Set(['model.layers.1.mlp.down_proj']) })
      expect([...rounded.weights.keys()]).toEqual(['model.layers.1.mlp.down_proj'])
      using unused = tensor([0], { device: cpu })
      expect(rounded.pack('model.layers.0.mlp.down_proj', unused)).toBeNull()
    }
    expect(countLiveTensors()).toBe(live)
    expect(logitsOf(plain)).toEqual(before)
    for (const { adapters } of plain.layers.values()) expect(adapters).toEqual([])
  })

  test('refuses what it cannot round, and leaves nothing behind', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path, SIZES)
    using plain = openTiny(temporary.path)
    using packed = loadModel(temporary.path, { device: cpu, pack: packLayers(openQuantizer(nf4), 'f32') })
    logitsOf(plain) // makes the tables of its positions
    const live = countLiveTensors()
    expect(() => gptq(plain, [])).toThrow('0 tokens are too few to round by')
    expect(() => gptq(plain, [TEXTS[0], TEXTS[1]])).toThrow('down_proj has 96 inputs')
    expect(() => gptq(plain, TEXTS, { layers: new Set() })).toThrow('there is no layer to round')
    expect(() => gptq(plain, TEXTS, { block: 48 })).toThrow('block must be a power of two')
    expect(() => gptq(packed, TEXTS)).toThrow('is packed already')
    expect(() => loadGptq(temporary.path, [TEXTS[0]], { device: cpu })).toThrow('down_proj has 96 inputs')
    expect(() => gptq(plain, [...TEXTS, [TINY_VOCABULARY + 5]])).toThrow()
    const layer = plain.layers.get('model.layers.1.mlp.up_proj')
    if (!layer || isQuantized(layer.weight)) throw new Error('there is no such layer')
    const numbers = layer.weight.toArray()
    const whole = layer.weight
    layer.weight = tensor(numbers.fill(NaN, 0, 1), { shape: whole.shape, device: cpu })
    expect(() => gptq(plain, TEXTS)).toThrow('model.layers.1.mlp.up_proj has NaN or Inf in its weight')
    layer.weight.dispose()
    layer.weight = whole
    expect(countLiveTensors()).toBe(live)
    for (const { adapters } of plain.layers.values()) expect(adapters).toEqual([])
  })

  test('refuses experts, and layers whose matrix no array holds, without weights', () => {
    using model = openTiny(join(GOLDEN, 'moe-models/mixtral'))
    expect(() => gptq(model, TEXTS)).toThrow('a mixtral has experts')
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path, SIZES)
    const wide = { intermediate_size: 23_171 }
    using hollow = openHollowModel(temporary.path, {
      device: shapeDevice({ kind: 'cpu', name: 'cpu' }),
      config: wide,
    })
    if (!hollow) throw new Error('it is built in')
    expect(() => expectRoundable(hollow, TEXTS)).toThrow(
      'down_proj has 23171 inputs, and texts round at most 23170',
    )
    const layers = new Set([...hollow.layers.keys()].filter((path) => !path.endsWith('down_proj')))
    expect(() => expectRoundable(hollow, TEXTS, { layers })).not.toThrow()
  })
})
