/**
 * OLMo 2: norms after attention and MLP alone.
 */
import { DECODER, type GgufFamily } from './family.ts'

const { attn_norm: _before, ffn_norm: _between, ...LAYER } = DECODER.layer

export const olmo2: GgufFamily = {
  ...DECODER,
  modelType: 'olmo2',
  architecture: 'olmo2',
  hfArchitecture: 'Olmo2ForCausalLM',
  layer: {
    ...LAYER,
    post_attention_norm: 'post_attention_layernorm',
    post_ffw_norm: 'post_feedforward_layernorm',
  },
}
