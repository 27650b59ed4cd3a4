/**
 * The sizes of a decoder, as its config.json gives them.
 */
import { TrituneError } from '../../../core/mod.ts'
import { type ConfigJson, integerField, MOST_LAYERS } from '../_config.ts'

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

/** `num_key_value_heads`, as many as there are heads where it is not said; E_MODEL when the heads are no multiple. */
export function keyValueHeads(config: ConfigJson, heads: number): number {
  const kvHeads = integerField(config, 'num_key_value_heads', heads)
  if (heads % kvHeads === 0) return kvHeads
  throw new TrituneError(
    'E_MODEL',
    `config.json: ${heads} attention heads are not a multiple of ${kvHeads} key-value heads`,
  )
}

/** Channels of one head: `head_dim`, or what is left for each of them; E_MODEL when that is no whole number. */
export function headSize(config: ConfigJson, hidden: number, heads: number): number {
  if ((config['head_dim'] ?? null) !== null) return integerField(config, 'head_dim')
  if (hidden % heads === 0) return hidden / heads
  throw new TrituneError(
    'E_MODEL',
    `config.json: hidden_size ${hidden} is not a multiple of ${heads} attention heads`,
    { remedy: 'give a hidden_size that the heads divide, or head_dim' },
  )
}
