/**
 * cohere2: Command R7B and Command A (as transformers' `modeling_cohere2.py`): cohere with a window on three layers of four; those without
 * one are not turned by position.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { integerField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { slidingLayers } from '../decoder/layer-types.ts'
import { decoderSizes } from '../decoder/sizes.ts'
import { readRopeConfig } from '../rope/mod.ts'
import { COHERE_DEFAULTS, cohereTraits } from './_cohere-traits.ts'

export const cohere2: ModelDefinition = {
  name: 'cohere2',
  create(given, weights) {
    const config = { ...COHERE_DEFAULTS, ...given }
    const window = integerField(config, 'sliding_window', 4096)
    const slides = slidingLayers(config, { pattern: 4 })
    const rope = readRopeConfig(config, decoderSizes(config).headDim)
    return createDecoder(config, weights, {
      type: 'cohere2',
      architecture: 'Cohere2ForCausalLM',
      ...cohereTraits(config),
      rope: (layer) => (slides(layer) ? rope : null),
      window: (layer) => (slides(layer) ? window : 0),
    })
  },
}
