/**
 * gemma3_text: the text of Gemma 3 (Gemma Team 2025, arXiv 2503.19786): gemma2 without caps, with norms of each head of q and k, a window on five
 * layers of six, and angles of their own for these.
 */
import { type ModelDefinition, showValue, TrituneError } from '../../../core/mod.ts'
import { capField, type ConfigJson, integerField, positiveField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { slidingLayers } from '../decoder/layer-types.ts'
import { normEachHead } from '../decoder/qk-norms.ts'
import { decoderSizes } from '../decoder/sizes.ts'
import { readRopeConfig, type RopeConfig } from '../rope/mod.ts'
import { GEMMA_DEFAULTS, gemmaTraits } from './_gemma-traits.ts'
import { gemmaBlock } from './gemma2.ts'

export const gemma3Text: ModelDefinition = {
  name: 'gemma3_text',
  create(given, weights) {
    const config = { ...GEMMA_DEFAULTS, ...given }
    const window = integerField(config, 'sliding_window', 4096)
    const slides = slidingLayers(config, { pattern: 6 })
    const { local, global } = ropesOf(config)
    return createDecoder(config, weights, {
      type: 'gemma3_text',
      architecture: 'Gemma3ForCausalLM',
      ...gemmaTraits(config, 'hidden_activation'),
      block: gemmaBlock,
      qkNorm: normEachHead('rms-from-one'),
      attentionScale: positiveField(config, 'query_pre_attn_scalar', 256) ** -0.5,
      attentionSoftcap: capField(config, 'attn_logit_softcapping', 0),
      logitSoftcap: capField(config, 'final_logit_softcapping', 0),
      rope: (layer) => (slides(layer) ? local : global),
      window: (layer) => (slides(layer) ? window : 0),
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The angles of layers with a window, and of those without. Older files have them beside each other, newer ones by the type of the layer. */
function ropesOf(config: ConfigJson): { readonly local: RopeConfig; readonly global: RopeConfig } {
  const { headDim } = decoderSizes(config)
  const { rope_parameters: given, ...others } = config
  const [newer, older] = isMapping(given)
    ? [given, {}]
    : [
        {},
        {
          full_attention: { rope_theta: config.rope_theta ?? 1_000_000, ...mapping(config, 'rope_scaling') },
          sliding_attention: { rope_theta: config.rope_local_base_freq ?? 10_000 },
        },
      ]
  const byType: ConfigJson = {
    full_attention: { rope_theta: 1_000_000 },
    sliding_attention: { rope_theta: 10_000 },
    ...older,
    ...newer,
  }
  const read = (type: string): RopeConfig =>
    readRopeConfig({ ...others, rope_scaling: null, rope_parameters: mapping(byType, type) }, headDim)
  return { local: read('sliding_attention'), global: read('full_attention') }
}

function mapping(fields: ConfigJson, key: string): ConfigJson {
  const value = fields[key] ?? {}
  if (isMapping(value)) return value
  throw new TrituneError('E_MODEL', `config.json: ${key}: expected a mapping, got ${showValue(value)}`)
}

function isMapping(value: unknown): value is ConfigJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
