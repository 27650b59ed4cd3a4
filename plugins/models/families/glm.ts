/**
 * glm: GLM-4 of 2024 (Team GLM 2024, arXiv 2406.12793), as transformers' `modeling_glm.py`.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { GLM_DEFAULTS, glmTraits } from './_glm-traits.ts'

export const glm: ModelDefinition = {
  name: 'glm',
  create(given, weights) {
    const config = { ...GLM_DEFAULTS, ...given }
    return createDecoder(config, weights, {
      type: 'glm',
      architecture: 'GlmForCausalLM',
      ...glmTraits(config),
    })
  },
}
