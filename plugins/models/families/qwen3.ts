/**
 * qwen3: RMSNorm on each head of q and k, no biases unless the config says so (arXiv 2505.09388).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { normEachHead } from '../decoder/qk-norms.ts'
import { qwenWindow } from '../decoder/windows.ts'

export const qwen3: ModelDefinition = {
  name: 'qwen3',
  create(config, weights) {
    const attentionBias = booleanField(config, 'attention_bias', false)
    return createDecoder({ head_dim: 128, ...config }, weights, {
      type: 'qwen3',
      architecture: 'Qwen3ForCausalLM',
      qkvBias: attentionBias,
      outputBias: attentionBias,
      qkNorm: normEachHead(),
      window: qwenWindow(config),
    })
  },
}
