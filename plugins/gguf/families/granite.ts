/**
 * Granite: llama with four factors.
 */
import { f32 } from '../typed-values.ts'
import { DECODER, type GgufFamily } from './family.ts'
import { numberOf, shortestFloat } from './own-keys.ts'

/** Keys of the file beside fields of config.json. */
const FACTORS = {
  'attention.scale': 'attention_multiplier',
  embedding_scale: 'embedding_multiplier',
  residual_scale: 'residual_multiplier',
  logit_scale: 'logits_scaling',
}

export const granite: GgufFamily = {
  ...DECODER,
  modelType: 'granite',
  architecture: 'granite',
  hfArchitecture: 'GraniteForCausalLM',
  permuted: true,
  own: {
    write: (config, { place }) => ({
      entries: Object.entries(FACTORS).map(([key, field]) => [key, f32(numberOf(config, field, place, 1))]),
    }),
    read: (file) =>
      Object.fromEntries(
        Object.entries(FACTORS).map(([key, field]) => [field, shortestFloat(file.number(key, 1))]),
      ),
  },
}
