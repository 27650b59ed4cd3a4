/**
 * granite: Granite 3 and 4 without experts (IBM 2024): Llama's shape with factors on the embedding, the scores, what each part adds, and the
 * logits. As transformers' `modeling_granite.py`.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField, positiveField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'

export const granite: ModelDefinition = {
  name: 'granite',
  create(config, weights) {
    const attentionBias = booleanField(config, 'attention_bias', false)
    return createDecoder(config, weights, {
      type: 'granite',
      architecture: 'GraniteForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: booleanField(config, 'mlp_bias', false),
      attentionScale: positiveField(config, 'attention_multiplier', 1),
      streamScale: positiveField(config, 'embedding_multiplier', 1),
      residualScale: positiveField(config, 'residual_multiplier', 1),
      logitScale: 1 / positiveField(config, 'logits_scaling', 1),
    })
  },
}
