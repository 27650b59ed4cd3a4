/**
 * What the Gemma models have in common.
 */
import { TrituneError } from '../../../core/mod.ts'
import { booleanField, type ConfigJson, integerField, stringField } from '../_config.ts'
import type { DecoderTraits } from '../decoder/decoder.ts'
import { gatedActivation } from '../decoder/gated.ts'
import { gatedMlp } from '../decoder/mlp.ts'

/** What a config.json that does not say means. */
export const GEMMA_DEFAULTS = { head_dim: 256, tie_word_embeddings: true } as const

/** `activationKey`: under which config.json names the activation. */
export function gemmaTraits(
  config: ConfigJson,
  activationKey: 'hidden_act' | 'hidden_activation',
): Pick<DecoderTraits, 'norm' | 'mlp' | 'embeddingScale' | 'qkvBias' | 'outputBias'> {
  const name = stringField(config, activationKey, 'gelu_pytorch_tanh')
  const bias = booleanField(config, 'attention_bias', false)
  if (config.use_bidirectional_attention === true)
    throw new TrituneError('E_UNSUPPORTED', 'config.json: use_bidirectional_attention is not supported', {
      remedy: 'use a model that predicts the next token',
    })
  return {
    norm: 'rms-from-one',
    qkvBias: bias,
    outputBias: bias,
    embeddingScale: Math.sqrt(integerField(config, 'hidden_size')),
    // The first files of Google say gelu and mean its approximation.
    mlp: gatedMlp(config, {
      activation: gatedActivation(name === 'gelu' ? 'gelu_pytorch_tanh' : name, activationKey),
    }),
  }
}
