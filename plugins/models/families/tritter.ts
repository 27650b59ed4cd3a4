/**
 * tritter: the reference transformer for models that are trained from scratch. Pre-norm blocks with LayerNorm, RoPE, grouped-query attention with
 * an RMSNorm on each head of q and k, a squared ReLU gate, a head of its own, and dropout of what each part adds.
 *
 * With `use_bitnet` in its config.json the linear layers of its blocks are BitLinear, which plugins/bitnet puts on them; here they are plain.
 */
import { type ModelDefinition, TrituneError } from '../../../core/mod.ts'
import { booleanField, type ConfigJson, numberField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { normEachHead } from '../decoder/qk-norms.ts'

/** What a config.json that does not say means. */
const DEFAULTS = {
  hidden_act: 'relu2',
  layer_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  dropout: 0.1,
} as const

export const tritter: ModelDefinition = {
  name: 'tritter',
  create(given, weights) {
    const config = { ...DEFAULTS, ...given }
    booleanField(config, 'use_bitnet', false)
    return createDecoder(config, weights, {
      type: 'tritter',
      architecture: 'TritterForCausalLM',
      qkNorm: normEachHead(),
      norm: 'layer',
      dropout: chance(config, 'dropout'),
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function chance(config: ConfigJson, key: string): number {
  const value = numberField(config, key, 0)
  if (value >= 0 && value < 1) return value
  throw new TrituneError('E_MODEL', `config.json: ${key}: expected a number from 0 to below 1, got ${value}`)
}
