/**
 * gemma: Gemma 1 (Gemma Team 2024, arXiv 2403.08295): norms that scale by 1 + w, embeddings times √C, GELU in the gate, a tied head.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { GEMMA_DEFAULTS, gemmaTraits } from './_gemma-traits.ts'

export const gemma: ModelDefinition = {
  name: 'gemma',
  create(given, weights) {
    const config = { ...GEMMA_DEFAULTS, ...given }
    return createDecoder(config, weights, {
      type: 'gemma',
      architecture: 'GemmaForCausalLM',
      ...gemmaTraits(config, 'hidden_act'),
    })
  },
}
