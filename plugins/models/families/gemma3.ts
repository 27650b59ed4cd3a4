/**
 * gemma3_text: the text of Gemma 3 (Gemma Team 2025, arXiv 2503.19786): gemma2 without caps, with norms of each head of q and k, a window on five
 * layers of six, and angles of their own for these.
 */
import { type ModelDefinition, showValue, TrituneError, type WeightSource } from '../../../core/mod.ts'
import { capField, type ConfigJson, integerField, positiveField } from '../_config.ts'
import { createDecoder, type DecoderTraits } from '../decoder/decoder.ts'
import { slidingLayers } from '../decoder/layer-types.ts'
import { normEachHead } from '../decoder/qk-norms.ts'
import { decoderSizes } from '../decoder/sizes.ts'
import { readRopeConfig, type RopeConfig } from '../rope/mod.ts'
import { textOfGemma3 } from './_gemma3-text-config.ts'
import { GEMMA_DEFAULTS, gemmaTraits } from './_gemma-traits.ts'
import { gemmaBlock } from './gemma2.ts'

export const gemma3Text: ModelDefinition = {
  name: 'gemma3_text',
  create: (config, weights) => createDecoder({ ...GEMMA_DEFAULTS, ...config }, weights, gemma3Traits(config)),
}

/**
 * gemma3: the same inside of a model that also sees images, which is left out. Modules have the names that PEFT knows; what is written is a
 * gemma3_text.
 */
export const gemma3: ModelDefinition = {
  name: 'gemma3',
  create(given, weights) {
    const config = { ...GEMMA_DEFAULTS, ...textOfGemma3(given) }
    return createDecoder(config, weights, {
      ...gemma3Traits(config),
      type: 'gemma3',
      prefix: 'model.language_model',
      fileName: (name) => fileNameOf(name, weights),
      written: {
        config: { ...config, model_type: 'gemma3_text', architectures: ['Gemma3ForCausalLM'] },
        nameOf: (name) => name.replace(/^model\.language_model\./, 'model.'),
      },
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function gemma3Traits(given: ConfigJson): DecoderTraits {
  const config = { ...GEMMA_DEFAULTS, ...given }
  const window = integerField(config, 'sliding_window', 4096)
  const slides = slidingLayers(config, { pattern: 6 })
  const { local, global } = ropesOf(config)
  return {
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
  }
}

/** Files have `language_model.model.…`; those of transformers 4.50 to 4.5x have the names of the modules. */
function fileNameOf(name: string, source: WeightSource): string {
  const older = name
    .replace(/^model\.language_model\./, 'language_model.model.')
    .replace(/^lm_head\./, 'language_model.lm_head.')
  return source.has(older) || !source.has(name) ? older : name
}

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
    readRopeConfig({ ...others, rope_scaling: null, rope_parameters: mapping(byType, type) }, headDim, {
      key: isMapping(given) ? `rope_parameters.${type}` : 'rope_scaling',
    })
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
