/**
 * bitnet: BitNet b1.58 (microsoft/bitnet-b1.58-2B-4T; Ma et al. 2025, arXiv 2504.12285): squared ReLU gate, an RMSNorm before the last linear
 * layer of attention and MLP.
 *
 * The plain weights. What makes them ternary, and how packed ones are read, is in plugins/bitnet.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'

/** Where transformers' BitNetConfig differs from the defaults of others. */
const DEFAULTS = { hidden_act: 'relu2', rms_norm_eps: 1e-5, rope_theta: 500000 } as const

export const bitnet: ModelDefinition = {
  name: 'bitnet',
  create(config, weights) {
    const attentionBias = booleanField(config, 'attention_bias', false)
    return createDecoder({ ...DEFAULTS, ...config }, weights, {
      type: 'bitnet',
      architecture: 'BitNetForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      subNorms: true,
    })
  },
}
