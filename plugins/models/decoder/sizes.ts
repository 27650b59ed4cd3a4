/**
 * The sizes of a decoder, as its config.json gives them.
 */
import { type ConfigJson, integerField, MOST_LAYERS } from '../_config.ts'
import { headSize, keyValueHeads } from '../model-size.ts'

export interface DecoderSizes {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocab: number
  readonly mlp: number
  readonly context: number
}

/** E_MODEL for sizes that are missing or do not divide. */
export function decoderSizes(config: ConfigJson): DecoderSizes {
  const hidden = integerField(config, 'hidden_size')
  const layers = integerField(config, 'num_hidden_layers', undefined, { max: MOST_LAYERS })
  const heads = integerField(config, 'num_attention_heads')
  return {
    hidden,
    layers,
    heads,
    kvHeads: keyValueHeads(config, heads),
    headDim: headSize(config, hidden, heads),
    vocab: integerField(config, 'vocab_size'),
    mlp: integerField(config, 'intermediate_size'),
    context: integerField(config, 'max_position_embeddings', 2048),
  }
}
