/**
 * gemma2: Gemma 2 (Gemma Team 2024, arXiv 2408.00118): caps on scores and logits, a window on every other layer, norms on both sides of
 * attention and MLP, scores scaled by `query_pre_attn_scalar`.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { capField, integerField, positiveField } from '../_config.ts'
import { type BlockForm, sandwichNorm } from '../decoder/block-forms.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { slidingLayers } from '../decoder/layer-types.ts'
import { GEMMA_DEFAULTS, gemmaTraits } from './_gemma-traits.ts'

export const gemma2: ModelDefinition = {
  name: 'gemma2',
  create(given, weights) {
    const config = { ...GEMMA_DEFAULTS, ...given }
    const window = integerField(config, 'sliding_window', 4096)
    const slides = slidingLayers(config, { pattern: 2 })
    return createDecoder(config, weights, {
      type: 'gemma2',
      architecture: 'Gemma2ForCausalLM',
      ...gemmaTraits(config, 'hidden_activation'),
      block: gemmaBlock,
      attentionScale: positiveField(config, 'query_pre_attn_scalar', 256) ** -0.5,
      attentionSoftcap: capField(config, 'attn_logit_softcapping', 50),
      logitSoftcap: capField(config, 'final_logit_softcapping', 30),
      window: (layer) => (slides(layer) ? window : 0),
    })
  },
}

/** The four norms of a block of Gemma 2 and 3. */
export const gemmaBlock: BlockForm = sandwichNorm({
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_attention_layernorm',
  beforeMlp: 'pre_feedforward_layernorm',
  afterMlp: 'post_feedforward_layernorm',
})
