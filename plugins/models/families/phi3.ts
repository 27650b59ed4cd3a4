/**
 * phi3: Phi-3, Phi-3.5 and Phi-4 (Abdin et al. 2024, arXiv 2404.14219 and 2412.08905): q, k and v out of one layer, gate and up out of another,
 * some channels of a head that do not turn, two lists of frequencies for short and long texts.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { type ConfigJson, integerField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { fusedGatedMlp } from '../decoder/mlp.ts'

/** What a config.json that does not say means. */
const DEFAULTS = { rms_norm_eps: 1e-5, original_max_position_embeddings: 4096 } as const

export const phi3: ModelDefinition = {
  name: 'phi3',
  create(given, weights) {
    const config = longropeByName({ ...DEFAULTS, ...given })
    const window = config.sliding_window == null ? 0 : integerField(config, 'sliding_window')
    return createDecoder(config, weights, {
      type: 'phi3',
      architecture: 'Phi3ForCausalLM',
      fusedQkv: true,
      mlp: fusedGatedMlp(config),
      window: () => window,
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The first files of Phi-3 call longrope yarn. */
function longropeByName(config: ConfigJson): ConfigJson {
  const scaling = config.rope_scaling
  if (typeof scaling !== 'object' || scaling === null || !('long_factor' in scaling)) return config
  return { ...config, rope_scaling: { ...scaling, type: 'longrope', rope_type: 'longrope' } }
}
