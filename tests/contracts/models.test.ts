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

const CONFIGS: readonly (readonly [string, keyof typeof MODELS, Readonly<Record<string, unknown>>])[] = [
  ['llama', 'llama', { ...LLAMA, model_type: 'llama' }],
  ['llama, tied and with biases', 'llama', { ...LLAMA, tie_word_embeddings: true, attention_bias: true }],
  ['mistral', 'mistral', { ...LLAMA, model_type: 'mistral', sliding_window: 4 }],
  ['qwen2', 'qwen2', { ...LLAMA, model_type: 'qwen2' }],
  ['qwen3', 'qwen3', { ...LLAMA, model_type: 'qwen3', head_dim: 8 }],
  ['tritter', 'tritter', { ...LLAMA, model_type: 'tritter', layer_norm_eps: 1e-5 }],
  ['bitnet', 'bitnet', { ...LLAMA, model_type: 'bitnet', tie_word_embeddings: true }],
  [
    'gpt2',
    'gpt2',
    { model_type: 'gpt2', vocab_size: 31, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 64, n_ctx: 64 },
  ],
]

describe.each(CONFIGS)('%s', (_title, name, config) => {
  for (const { name: promise, run } of modelContract(MODELS[name], { config })) test(promise, run)
})
