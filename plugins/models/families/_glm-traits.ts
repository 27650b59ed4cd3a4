/**
 * What GLM-4 of both years has in common: half of each head turns, neighbours together; gate and up come out of one layer.
 */
import { booleanField, type ConfigJson } from '../_config.ts'
import type { DecoderTraits } from '../decoder/decoder.ts'
import { fusedGatedMlp } from '../decoder/mlp.ts'

/** What a config.json that does not say means. */
export const GLM_DEFAULTS = { head_dim: 128, rms_norm_eps: 1.5625e-7, partial_rotary_factor: 0.5 } as const

export function glmTraits(config: ConfigJson): Pick<DecoderTraits, 'qkvBias' | 'interleaved' | 'mlp'> {
  return {
    qkvBias: booleanField(config, 'attention_bias', true),
    interleaved: true,
    mlp: fusedGatedMlp(config),
  }
}
