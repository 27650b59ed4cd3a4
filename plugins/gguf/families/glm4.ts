/**
 * GLM-4-0414: norms on both sides of attention and MLP, gate and up in one tensor.
 */
import { DECODER, type GgufFamily } from './family.ts'

const { ffn_gate: _gate, attn_q_norm: _q, attn_k_norm: _k, ...LAYER } = DECODER.layer

export const glm4: GgufFamily = {
  ...DECODER,
  modelType: 'glm4',
  architecture: 'glm4',
  hfArchitecture: 'Glm4ForCausalLM',
  partial: true,
  layer: {
    ...LAYER,
    ffn_up: 'mlp.gate_up_proj',
    post_attention_norm: 'post_self_attn_layernorm',
    ffn_norm: 'post_attention_layernorm',
    post_ffw_norm: 'post_mlp_layernorm',
  },
}
