/**
 * cohere: Command R, R+ and Aya (as transformers' `modeling_cohere.py`), with a norm of each head of q and k where the config says so.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { type LoadHeadScales, normHeadsApart } from '../decoder/qk-norms.ts'
import { COHERE_DEFAULTS, cohereTraits } from './_cohere-traits.ts'

export const cohere: ModelDefinition = {
  name: 'cohere',
  create(given, weights) {
    const config = { ...COHERE_DEFAULTS, ...given }
    return createDecoder(config, weights, {
      type: 'cohere',
      architecture: 'CohereForCausalLM',
      ...cohereTraits(config),
      qkNorm: booleanField(config, 'use_qk_norm', false) ? normHeadsApart(loadScales) : null,
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** One tensor has those of all heads. */
const loadScales: LoadHeadScales = (weights, path, { part, heads, headDim }) => {
  const scales = weights.tensor(`${path}.${part}_norm.weight`, [heads, headDim])
  return () => scales
}
