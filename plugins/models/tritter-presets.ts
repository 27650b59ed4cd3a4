/**
 * The sizes that the tritter model comes in, by name, each a config.json. (A table; how many parameters they have is computed by
 * `countParameters()`, and `tritune presets` prints it.)
 */
import { didYouMean, TrituneError } from '../../core/mod.ts'
import type { ConfigJson } from './_config.ts'

/** Names of the presets, smallest model first. */
export type TritterPreset =
  | 'tritter-test'
  | 'tritter-small'
  | 'tritter-medium'
  | 'tritter-large'
  | 'tritter-1b'
  | 'tritter-xlarge'
  | 'tritter-huge'

interface Size {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly mlp: number
  readonly vocab: number
  readonly context: number
}

/** Each preset as its config.json. */
export const TRITTER_PRESETS: Readonly<Record<TritterPreset, ConfigJson>> = {
  'tritter-test': preset({ hidden: 64, layers: 2, heads: 2, kvHeads: 2, mlp: 128, vocab: 256, context: 64 }),
  'tritter-small': preset({
    hidden: 768,
    layers: 12,
    heads: 12,
    kvHeads: 12,
    mlp: 2048,
    vocab: 65536,
    context: 2048,
  }),
  'tritter-medium': preset({
    hidden: 1024,
    layers: 24,
    heads: 16,
    kvHeads: 16,
    mlp: 2816,
    vocab: 65536,
    context: 4096,
  }),
  'tritter-large': preset({
    hidden: 2048,
    layers: 24,
    heads: 16,
    kvHeads: 8,
    mlp: 5632,
    vocab: 65536,
    context: 8192,
  }),
  'tritter-1b': preset({
    hidden: 2048,
    layers: 24,
    heads: 16,
    kvHeads: 8,
    mlp: 8192,
    vocab: 32000,
    context: 4096,
  }),
  'tritter-xlarge': preset({
    hidden: 2560,
    layers: 26,
    heads: 20,
    kvHeads: 5,
    mlp: 6912,
    vocab: 65536,
    context: 131072,
  }),
  'tritter-huge': preset({
    hidden: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    mlp: 11008,
    vocab: 65536,
    context: 131072,
  }),
}

/**
 * The config.json of a preset. E_NAME, with the nearest names, where there is none.
 *
 * @example
 * ```ts
 * import { countParameters, tritterPreset } from 'tritune/plugins/models'
 *
 * console.log(countParameters(tritterPreset('tritter-small'))) // → 185637888
 * ```
 */
export function tritterPreset(name: string): ConfigJson {
  if (isPreset(name)) return TRITTER_PRESETS[name]
  throw new TrituneError('E_NAME', `there is no preset "${name}"`, {
    remedy: didYouMean(name, Object.keys(TRITTER_PRESETS)),
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isPreset(name: string): name is TritterPreset {
  return Object.hasOwn(TRITTER_PRESETS, name)
}

function preset({ hidden, layers, heads, kvHeads, mlp, vocab, context }: Size): ConfigJson {
  return {
    architectures: ['TritterForCausalLM'],
    model_type: 'tritter',
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: hidden / heads,
    intermediate_size: mlp,
    vocab_size: vocab,
    max_position_embeddings: context,
    hidden_act: 'relu2',
    layer_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
    dropout: 0.1,
    use_bitnet: false,
    initializer_range: 0.02,
  }
}
