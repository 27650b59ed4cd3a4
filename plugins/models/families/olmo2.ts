/**
 * olmo2: OLMo 2 (OLMo Team 2025, arXiv 2501.00656): norms after attention and MLP, none before; one RMSNorm over all heads of q, one over
 * those of k.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { postNorm } from '../decoder/block-forms.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { normAllHeads } from '../decoder/qk-norms.ts'

export const olmo2: ModelDefinition = {
  name: 'olmo2',
  create(given, weights) {
    const config = { rms_norm_eps: 1e-5, ...given }
    const attentionBias = booleanField(config, 'attention_bias', false)
    return createDecoder(config, weights, {
      type: 'olmo2',
      architecture: 'Olmo2ForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      block: postNorm,
      qkNorm: normAllHeads(),
    })
  },
}
