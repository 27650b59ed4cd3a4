/**
 * Mixtures of experts: mixtral, which llama.cpp runs as llama, qwen3_moe and gpt_oss.
 */
import { u32 } from '../typed-values.ts'
import { expertEntries, expertFields, type GgufExperts, stackNames } from './experts.ts'
import { DECODER, type GgufFamily } from './family.ts'
import { expectPattern, type Json, numberOf, type OwnFacts, unsupported } from './own-keys.ts'

const { ffn_gate: _gate, ffn_up: _up, ffn_down: _down, ...BLOCK } = DECODER.layer

const MIXTRAL: GgufExperts = {
  path: 'block_sparse_moe.experts',
  layers: { ffn_gate_exps: 'w1', ffn_up_exps: 'w3', ffn_down_exps: 'w2' },
}

export const mixtral: GgufFamily = {
  ...DECODER,
  modelType: 'mixtral',
  architecture: 'llama',
  hfArchitecture: 'MixtralForCausalLM',
  permuted: true,
  layer: { ...BLOCK, ffn_gate_inp: 'block_sparse_moe.gate', ...stackNames(MIXTRAL) },
  experts: MIXTRAL,
  own: {
    write(config, { place }) {
      if (config['sliding_window'] != null)
        throw unsupported('a sliding window: llama.cpp lets all layers of a mixtral attend to all', place)
      return { entries: expertEntries(config, 'num_local_experts', place) }
    },
    read: (file) => expertFields(file, 'num_local_experts'),
  },
}

const QWEN: GgufExperts = {
  path: 'mlp.experts',
  layers: { ffn_gate_exps: 'gate_proj', ffn_up_exps: 'up_proj', ffn_down_exps: 'down_proj' },
}

export const qwen3Moe: GgufFamily = {
  ...DECODER,
  modelType: 'qwen3_moe',
  architecture: 'qwen3moe',
  hfArchitecture: 'Qwen3MoeForCausalLM',
  layer: { ...BLOCK, ffn_gate_inp: 'mlp.gate', ...stackNames(QWEN) },
  experts: QWEN,
  own: {
    write(config, { place }) {
      const dense: unknown = config['mlp_only_layers'] ?? []
      if ((Array.isArray(dense) && dense.length > 0) || (config['decoder_sparse_step'] ?? 1) !== 1)
        throw unsupported('blocks without experts among those of a qwen3_moe', place)
      if (config['norm_topk_prob'] !== true)
        throw unsupported(
          'norm_topk_prob: false: llama.cpp lets the weights of the chosen add up to 1',
          place,
        )
      const key = config['num_experts'] == null ? 'num_local_experts' : 'num_experts'
      const inner = numberOf(config, 'moe_intermediate_size', place)
      return {
        entries: [...expertEntries(config, key, place), ['expert_feed_forward_length', u32(inner)]],
      }
    },
    read: (file) => ({
      ...expertFields(file, 'num_experts'),
      moe_intermediate_size: file.number('expert_feed_forward_length'),
      norm_topk_prob: true,
    }),
  },
}

const OSS: GgufExperts = { ...QWEN, fused: true }

export const gptOss: GgufFamily = {
  ...DECODER,
  modelType: 'gpt_oss',
  architecture: 'gpt-oss',
  hfArchitecture: 'GptOssForCausalLM',
  layer: {
    ...BLOCK,
    ffn_norm: undefined,
    post_attention_norm: 'post_attention_layernorm',
    attn_sinks: 'self_attn.sinks',
    ffn_gate_inp: 'mlp.router',
    ...stackNames(OSS),
  },
  experts: OSS,
  yarnWhole: true,
  own: {
    write: writeOss,
    read: (file) => ({
      ...expertFields(file, 'num_local_experts'),
      attention_bias: true,
      rope_scaling: {
        rope_type: 'yarn',
        factor: file.number('rope.scaling.factor', 32),
        original_max_position_embeddings: file.number('rope.scaling.original_context_length', 4096),
        beta_fast: file.number('rope.scaling.yarn_beta_fast', 32),
        beta_slow: file.number('rope.scaling.yarn_beta_slow', 1),
        truncate: false,
      },
    }),
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function writeOss(config: Json, facts: OwnFacts): ReturnType<NonNullable<GgufFamily['own']>['write']> {
  const { place } = facts
  const [alpha, limit] = [config['swiglu_alpha'] ?? 1.702, config['swiglu_limit'] ?? 7]
  if (alpha !== 1.702 || limit !== 7)
    throw unsupported(
      `swiglu of ${String(alpha)} and ${String(limit)}: llama.cpp computes 1.702 and 7`,
      place,
    )
  if (config['attention_bias'] === false) throw unsupported('attention without biases', place)
  expectPattern(config, 2, facts)
  return {
    entries: [
      ...expertEntries(config, 'num_local_experts', place),
      ['expert_feed_forward_length', u32(numberOf(config, 'intermediate_size', place))],
      ['attention.sliding_window', u32(numberOf(config, 'sliding_window', place, 128))],
    ],
    notes: ['llama.cpp rounds the borders of yarn to whole channels: the angles differ a little'],
  }
}
