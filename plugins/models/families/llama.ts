/**
 * llama: Llama 1–3.2, SmolLM2, TinyLlama and every checkpoint of this shape (Touvron et al. 2023, arXiv 2302.13971).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'

export const llama: ModelDefinition = {
  name: 'llama',
  create(config, weights) {
    const attentionBias = booleanField(config, 'attention_bias', false)
    return createDecoder(config, weights, {
      type: 'llama',
      architecture: 'LlamaForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: booleanField(config, 'mlp_bias', false),
    })
  },
}
