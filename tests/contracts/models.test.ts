/**
 * The built-in models keep the contract of models.
 */
import { describe, test } from 'bun:test'
import { MODELS } from '../../plugins/models/mod.ts'
import { modelContract } from '../../testing/mod.ts'

const LLAMA = {
  vocab_size: 31,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
}

const SLIDING = { sliding_window: 4, layer_types: ['sliding_attention', 'full_attention'] }

const CONFIGS: readonly (readonly [string, keyof typeof MODELS, Readonly<Record<string, unknown>>])[] = [
  ['llama', 'llama', { ...LLAMA, model_type: 'llama' }],
  ['llama, tied and with biases', 'llama', { ...LLAMA, tie_word_embeddings: true, attention_bias: true }],
  ['mistral', 'mistral', { ...LLAMA, model_type: 'mistral', sliding_window: 4 }],
  ['qwen2', 'qwen2', { ...LLAMA, model_type: 'qwen2' }],
  ['qwen3', 'qwen3', { ...LLAMA, model_type: 'qwen3', head_dim: 8 }],
  ['tritter', 'tritter', { ...LLAMA, model_type: 'tritter', layer_norm_eps: 1e-5 }],
  ['bitnet', 'bitnet', { ...LLAMA, model_type: 'bitnet', tie_word_embeddings: true }],
  ['gemma', 'gemma', { ...LLAMA, model_type: 'gemma', head_dim: 8 }],
  ['gemma2', 'gemma2', { ...LLAMA, ...SLIDING, model_type: 'gemma2', head_dim: 8 }],
  ['gemma3', 'gemma3_text', { ...LLAMA, ...SLIDING, model_type: 'gemma3_text', head_dim: 8 }],
  ['phi3', 'phi3', { ...LLAMA, model_type: 'phi3', sliding_window: 4 }],
  ['olmo2', 'olmo2', { ...LLAMA, model_type: 'olmo2' }],
  ['granite', 'granite', { ...LLAMA, model_type: 'granite', embedding_multiplier: 2, logits_scaling: 3 }],
  ['smollm3', 'smollm3', { ...LLAMA, model_type: 'smollm3', no_rope_layers: [1, 0] }],
  ['glm', 'glm', { ...LLAMA, model_type: 'glm', head_dim: 8 }],
  ['glm4', 'glm4', { ...LLAMA, model_type: 'glm4', head_dim: 8 }],
  ['cohere', 'cohere', { ...LLAMA, model_type: 'cohere', use_qk_norm: true }],
  ['cohere2', 'cohere2', { ...LLAMA, ...SLIDING, model_type: 'cohere2' }],
  ['stablelm', 'stablelm', { ...LLAMA, model_type: 'stablelm', partial_rotary_factor: 0.5 }],
  [
    'stablelm, side by side and with norms of heads',
    'stablelm',
    {
      ...LLAMA,
      model_type: 'stablelm',
      partial_rotary_factor: 0.5,
      use_parallel_residual: true,
      qk_layernorm: true,
    },
  ],
  [
    'gpt2',
    'gpt2',
    { model_type: 'gpt2', vocab_size: 31, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 64, n_ctx: 64 },
  ],
]

describe.each(CONFIGS)('%s', (_title, name, config) => {
  for (const { name: promise, run } of modelContract(MODELS[name], { config })) test(promise, run)
})
