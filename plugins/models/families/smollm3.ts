/**
 * smollm3: SmolLM3 (Hugging Face 2025): Llama's shape, with every fourth layer not turned by position (NoPE, arXiv 2501.18795).
 */
import { type ModelDefinition, showValue, TrituneError } from '../../../core/mod.ts'
import { booleanField, type ConfigJson, integerField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { layerTypes } from '../decoder/layer-types.ts'
import { decoderSizes } from '../decoder/sizes.ts'
import { readRopeConfig } from '../rope/mod.ts'

/** What a config.json that does not say means. */
const DEFAULTS = { rope_theta: 2_000_000, tie_word_embeddings: true } as const

export const smollm3: ModelDefinition = {
  name: 'smollm3',
  create(given, weights) {
    const config = { ...DEFAULTS, ...given }
    const attentionBias = booleanField(config, 'attention_bias', false)
    const rope = readRopeConfig(config, decoderSizes(config).headDim)
    const turns = turningLayers(config)
    return createDecoder(config, weights, {
      type: 'smollm3',
      architecture: 'SmolLM3ForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: booleanField(config, 'mlp_bias', false),
      rope: (layer) => (turns(layer) ? rope : null),
      window: windowOf(config, turns),
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `no_rope_layers` has a 1 for a layer that turns, else every `no_rope_layer_interval`-th does not. */
function turningLayers(config: ConfigJson): (layer: number) => boolean {
  const list: unknown = config.no_rope_layers ?? null
  const { layers } = decoderSizes(config)
  if (list === null) {
    const interval = integerField(config, 'no_rope_layer_interval', 4)
    return (layer) => (layer + 1) % interval !== 0
  }
  if (Array.isArray(list) && list.length >= layers && list.every((one) => one === 0 || one === 1))
    return (layer) => list[layer] === 1
  throw new TrituneError(
    'E_MODEL',
    `config.json: no_rope_layers: expected ${layers} of 0 and 1, got ${showValue(list)}`,
    { remedy: 'check the file against the one of the original model' },
  )
}

/** With `use_sliding_window`, of the layers that `layer_types` says, else of those that do not turn. */
function windowOf(config: ConfigJson, turns: (layer: number) => boolean): (layer: number) => number {
  if (!booleanField(config, 'use_sliding_window', false) || config.sliding_window == null) return () => 0
  const window = integerField(config, 'sliding_window')
  const types = layerTypes(config)
  return (layer) => ((types ? types[layer] === 'sliding_attention' : !turns(layer)) ? window : 0)
}
