/**
 * Parameters by config.json alone: as many as the checkpoints of every family have.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { countParameters, readConfig } from '../../../plugins/models/mod.ts'
import { GOLDEN, MODEL_CASES } from '../../_golden.ts'

test.each(MODEL_CASES.filter((name) => name !== 'gemma3-images'))('%s', (name) => {
  const folder = join(GOLDEN, 'models', name)
  const stored = [...openCheckpoint(folder).entries.values()]
  const count = stored.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  expect(countParameters(readConfig(folder))).toBe(count)
})

test('of a model that also sees images the text', () => {
  const count = (name: string): number => countParameters(readConfig(join(GOLDEN, 'models', name)))
  expect(count('gemma3-images')).toBe(count('gemma3'))
})

// Phi-4-mini and Gemma 3 27B, as their publishers say.
test.each([
  [
    {
      model_type: 'phi3',
      vocab_size: 200064,
      hidden_size: 3072,
      intermediate_size: 8192,
      num_hidden_layers: 32,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      tie_word_embeddings: true,
    },
    3.84e9,
  ],
  [
    {
      model_type: 'gemma3_text',
      vocab_size: 262208,
      hidden_size: 5376,
      intermediate_size: 21504,
      num_hidden_layers: 62,
      num_attention_heads: 32,
      num_key_value_heads: 16,
      head_dim: 128,
    },
    27.0e9,
  ],
])('%p has about %p', (config, about) => {
  expect(Math.abs(countParameters(config) / about - 1)).toBeLessThan(0.01)
})

test('a type that is not built in, and sizes that do not fit', () => {
  expect(() => countParameters({ model_type: 'mamba' })).toThrow('models of type "mamba" are not built in')
  expect(() => countParameters({ model_type: 'gemma2', hidden_size: 7 })).toThrow('num_hidden_layers')
})
