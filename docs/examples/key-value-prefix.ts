/**
 * An adapter inside of attention in one file: prefix tuning (Li and Liang 2021, arXiv 2101.00190). Trained keys and values stand
 * before those of every document in each block; PEFT reads its files.
 *
 * It cannot be merged: no weight changes.
 */
import {
  createRandom,
  defineOptions,
  definePlugin,
  integer,
  type ModelAdapterDefinition,
  optional,
  parameter,
  type Plugin,
  reshape,
  slice,
  type Tensor,
  tensor,
  TrituneError,
} from 'tritune/core'

export interface KeyValuePrefixOptions {
  readonly tokens: number
}

export const keyValuePrefix: ModelAdapterDefinition<KeyValuePrefixOptions> = {
  name: 'key-value-prefix',
  options: defineOptions({ tokens: optional(integer({ min: 1 }), 8) }),
  createForModel({ info, embedding: { device } }, { tokens }, { seed }) {
    const { layerCount, kvHeads, headSize } = info
    const width = kvHeads * headSize
    const random = createRandom(seed, 'key-value-prefix')
    const values = Float32Array.from({ length: tokens * layerCount * 2 * width }, () => random.normal())
    const all = parameter(tensor(values, { shape: [tokens, layerCount * 2 * width], device }))
    all.adopt(null) // it lives as long as the adapter
    const part = (index: number): Tensor =>
      reshape(slice(all, { axis: 1, start: index * width, end: (index + 1) * width }), [
        tokens,
        kvHeads,
        headSize,
      ])
    return {
      kind: 'key-value-prefix',
      length: tokens,
      prefix: (block) => ({ k: part(2 * block), v: part(2 * block + 1) }),
      parameters: () => ({ prompt_embeddings: all }),
      [Symbol.dispose]: () => all.dispose(),
    }
  },
  peft: {
    type: 'PREFIX_TUNING',
    write: ({ tokens }, { info }) => ({
      encoder_hidden_size: info.kvHeads * info.headSize,
      init_weights: null,
      modules_to_save: null,
      num_attention_heads: info.kvHeads,
      num_layers: info.layerCount,
      num_transformer_submodules: 1,
      num_virtual_tokens: tokens,
      prefix_projection: false,
      token_dim: info.kvHeads * info.headSize,
    }),
    // With `prefix_projection` the file holds what the projection gave, so it is read as without one.
    read({ num_virtual_tokens: tokens, modules_to_save }) {
      if (modules_to_save != null) throw new TrituneError('E_UNSUPPORTED', 'modules_to_save is not supported')
      return { tokens: Number(tokens) }
    },
  },
}

export const keyValuePrefixPlugin: Plugin = definePlugin({
  name: 'key-value-prefix',
  provides: { adapter: { 'key-value-prefix': keyValuePrefix } },
})
