/**
 * glm4: GLM-4-0414 (as transformers' `modeling_glm4.py`): glm with norms on both sides of attention and MLP.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { sandwichNorm } from '../decoder/block-forms.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { GLM_DEFAULTS, glmTraits } from './_glm-traits.ts'

export const glm4: ModelDefinition = {
  name: 'glm4',
  create(given, weights) {
    const config = { ...GLM_DEFAULTS, ...given }
    return createDecoder(config, weights, {
      type: 'glm4',
      architecture: 'Glm4ForCausalLM',
      ...glmTraits(config),
      block: sandwichNorm({
        beforeAttention: 'input_layernorm',
        afterAttention: 'post_self_attn_layernorm',
        beforeMlp: 'post_attention_layernorm',
        afterMlp: 'post_mlp_layernorm',
      }),
    })
  },
}
