/**
 * Which attention is used: all of them compute the same.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const OWN_ATTENTION = 'attention is chosen by the device, always exact and never across packed documents'
const OTHER_ATTENTION = 'another attention than that of the model'

export const ATTENTION_KEYS: KeyFacts = {
  ignored: {
    ...ignored(OWN_ATTENTION, [
      'attention',
      'attn_implementation',
      'flash_attention',
      'sdp_attention',
      'sdpa_attention',
      'xformers_attention',
      'flex_attention',
      'flex_attn_compile_kwargs',
      'eager_attention',
      'sage_attention',
      'flash_optimum',
      'pretrain_multipack_attn',
      'sdpa_varlen',
      'large_head_attention',
      'flash_attn_d512',
      'gemma4_hybrid_attn_impl',
    ]),
  },
  refused: {
    ...refused(OTHER_ATTENTION, [
      's2_attention',
      'scaling_softmax',
      'scaling_softmax_factor',
      'scaling_softmax_bias',
    ]),
  },
}
