/**
 * qwen3_moe: Qwen3's attention with a mixture of many small experts (arXiv 2505.09388).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField, integerField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { normEachHead } from '../decoder/qk-norms.ts'
import { qwenMoe } from '../moe/qwen.ts'

export const qwen3Moe: ModelDefinition = {
  name: 'qwen3_moe',
  create(config, weights) {
    const attentionBias = booleanField(config, 'attention_bias', false)
    const slides = booleanField(config, 'use_sliding_window', false) && config.sliding_window != null
    const window = slides ? integerField(config, 'sliding_window') : 0
    return createDecoder(config, weights, {
      type: 'qwen3_moe',
      architecture: 'Qwen3MoeForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      qkNorm: normEachHead(),
      // All layers, as in transformers: there are no `layer_types` here.
      window: () => window,
      ...qwenMoe(config, weights, { perToken: 8, inner: 768, shared: null }),
    })
  },
}
