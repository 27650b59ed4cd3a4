/**
 * What Command R and Command R7B have in common: LayerNorm without a shift, attention and MLP side by side, neighbours that turn together,
 * scaled logits.
 */
import { booleanField, type ConfigJson, positiveField } from '../_config.ts'
import { parallelParts } from '../decoder/block-forms.ts'
import type { DecoderTraits } from '../decoder/decoder.ts'

/** What a config.json that does not say means. */
export const COHERE_DEFAULTS = { tie_word_embeddings: true } as const

export function cohereTraits(
  config: ConfigJson,
): Pick<DecoderTraits, 'qkvBias' | 'outputBias' | 'norm' | 'block' | 'interleaved' | 'logitScale'> {
  const attentionBias = booleanField(config, 'attention_bias', false)
  return {
    qkvBias: attentionBias,
    outputBias: attentionBias,
    norm: 'layer-unshifted',
    block: parallelParts,
    interleaved: true,
    logitScale: positiveField(config, 'logit_scale', 0.0625),
  }
}
