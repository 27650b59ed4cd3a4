/**
 * The type of each tensor, as `llama_model_quantize` chooses for the same models (mixtures.json is of llama.cpp).
 */
import { describe, expect, test } from 'bun:test'
import { GGUF_FILE_TYPES, ggufFileType, tensorType } from '../../../plugins/gguf/mod.ts'
import { goldenJson } from '../../_golden.ts'

interface Mixture {
  readonly tensors: Readonly<Record<string, readonly number[]>>
  /** Of all tensors, in their order. */
  readonly types: Readonly<Record<string, string>>
}

const MIXTURES = goldenJson<Record<string, Mixture>>('gguf', 'mixtures.json')

describe.each(Object.entries(MIXTURES))('%s', (_model, { tensors, types }) => {
  const names = Object.keys(tensors)
  const layers = Math.max(...names.map((name) => Number(/^blk\.(\d+)/.exec(name)?.[1] ?? 0))) + 1
  const model = { layers, heads: 4, kvHeads: 2, tied: !names.includes('output.weight') }

  test.each(Object.keys(types))('%s', (fileType) => {
    const type = ggufFileType(fileType)
    const chosen = names.map(
      (name) => `${name} ${tensorType(type, { name, shape: tensors[name] }, model).name}`,
    )
    expect(chosen).toEqual(types[fileType].split(' ').map((name, i) => `${names[i]} ${name}`))
  })
})

test('every file type but f32 was compared', () => {
  const compared = new Set(Object.values(MIXTURES).flatMap(({ types }) => Object.keys(types)))
  expect(GGUF_FILE_TYPES.filter((name) => !compared.has(name))).toEqual(['f32'])
})

test('values of models with 80 layers and grouped queries get five bits', () => {
  const model = { layers: 80, heads: 64, kvHeads: 8, tied: false }
  const value = { name: 'blk.13.attn_v.weight', shape: [1024, 8192] }
  expect(tensorType(ggufFileType('q4_k_m'), value, model).name).toBe('Q5_K')
  expect(tensorType(ggufFileType('q4_k_m'), value, { ...model, kvHeads: 64 }).name).toBe('Q4_K')
})

test('names are taken in any case; others are refused with the nearest', () => {
  expect(ggufFileType('Q4_K_M')).toMatchObject({ name: 'q4_k_m', id: 15 })
  expect(ggufFileType('q4_k').name).toBe('q4_k_m')
  expect(() => ggufFileType('q4_k_l')).toThrow(/no file type "q4_k_l"[^]*did you mean "q4_k_/)
})
