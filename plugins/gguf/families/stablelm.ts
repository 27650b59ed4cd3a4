/**
 * StableLM: LayerNorms, a part of each head turns. The norms of heads, which are one tensor in a file, are not written.
 */
import { bool } from '../typed-values.ts'
import { DECODER, type GgufFamily } from './family.ts'
import { unsupported } from './own-keys.ts'

const { attn_q_norm: _q, attn_k_norm: _k, ...LAYER } = DECODER.layer

export const stablelm: GgufFamily = {
  ...DECODER,
  modelType: 'stablelm',
  architecture: 'stablelm',
  hfArchitecture: 'StableLmForCausalLM',
  layerNorms: true,
  partial: true,
  layer: LAYER,
  own: {
    write(config, { place }) {
      if (config['qk_layernorm'] === true) throw unsupported('qk_layernorm of stablelm', place)
      return { entries: [['use_parallel_residual', bool(config['use_parallel_residual'] === true)]] }
    },
    read: (file) => ({
      use_parallel_residual: !file.has('blk.0.ffn_norm.weight'),
      use_qkv_bias: file.has('blk.0.attn_q.bias'),
    }),
  },
}
