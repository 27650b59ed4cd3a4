/**
 * mistral: Llama's shape with a sliding window on every layer (Jiang et al. 2023, arXiv 2310.06825).
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { integerField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'

export const mistral: ModelDefinition = {
  name: 'mistral',
  create(config, weights) {
    const window = config.sliding_window == null ? 0 : integerField(config, 'sliding_window')
    return createDecoder(config, weights, {
      type: 'mistral',
      architecture: 'MistralForCausalLM',
      window: () => window,
    })
  },
}
