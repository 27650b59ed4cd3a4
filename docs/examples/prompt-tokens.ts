/**
 * An adapter of the whole model in one file: prompt tuning (Lester et al. 2021, arXiv 2104.08691). Trained vectors stand before
 * every document as if they were embeddings of its first tokens; PEFT reads its files.
 *
 * p-tuning and other ways to make the vectors differ in `virtualTokens` only. It cannot be merged: no weight changes.
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
  tensor,
  TrituneError,
} from 'tritune/core'

export interface PromptTokensOptions {
  readonly tokens: number
}

export const promptTokens: ModelAdapterDefinition<PromptTokensOptions> = {
  name: 'prompt-tokens',
  options: defineOptions({ tokens: optional(integer({ min: 1 }), 8) }),
  createForModel({ info: { hiddenSize }, embedding: { device } }, { tokens }, { seed }) {
    const random = createRandom(seed, 'prompt-tokens')
    const values = Float32Array.from({ length: tokens * hiddenSize }, () => 0.1 * random.normal())
    const vectors = parameter(tensor(values, { shape: [tokens, hiddenSize], device }))
    vectors.adopt(null) // they live as long as the adapter
    return {
      kind: 'prompt-tokens',
      length: tokens,
      virtualTokens: () => vectors,
      parameters: () => ({ prompt_embeddings: vectors }),
      [Symbol.dispose]: () => vectors.dispose(),
    }
  },
  peft: {
    type: 'PROMPT_TUNING',
    write: ({ tokens }, { info }) => ({
      modules_to_save: null,
      num_attention_heads: info.kvHeads,
      num_layers: info.layerCount,
      num_transformer_submodules: 1,
      num_virtual_tokens: tokens,
      prompt_tuning_init: 'RANDOM',
      prompt_tuning_init_text: null,
      token_dim: info.hiddenSize,
      tokenizer_kwargs: null,
      tokenizer_name_or_path: null,
    }),
    read({ num_virtual_tokens: tokens, modules_to_save }) {
      if (modules_to_save != null) throw new TrituneError('E_UNSUPPORTED', 'modules_to_save is not supported')
      return { tokens: Number(tokens) }
    },
  },
}

export const promptTokensPlugin: Plugin = definePlugin({
  name: 'prompt-tokens',
  provides: { adapter: { 'prompt-tokens': promptTokens } },
})
