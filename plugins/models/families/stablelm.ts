/**
 * stablelm: StableLM 2 and StableLM-3B (Bellagente et al. 2024, arXiv 2402.17834): LayerNorm, a quarter of each head turns, and where the
 * config says so a norm of each head of q and k, and attention and MLP side by side.
 */
import { concat, type ModelDefinition, normOf } from '../../../core/mod.ts'
import { booleanField } from '../_config.ts'
import { parallelParts, preNorm } from '../decoder/block-forms.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { type LoadHeadScales, normHeadsApart } from '../decoder/qk-norms.ts'

export const stablelm: ModelDefinition = {
  name: 'stablelm',
  create(given, weights) {
    const config = { partial_rotary_factor: 0.25, ...given }
    return createDecoder(config, weights, {
      type: 'stablelm',
      architecture: 'StableLmForCausalLM',
      norm: 'layer',
      block: booleanField(config, 'use_parallel_residual', false) ? parallelParts : preNorm,
      qkvBias: booleanField(config, 'use_qkv_bias', false),
      qkNorm: booleanField(config, 'qk_layernorm', false) ? normHeadsApart(loadScales) : null,
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Each head has a norm of its own. */
const loadScales: LoadHeadScales = (weights, path, { part, heads, headDim }) => {
  const norms = Array.from({ length: heads }, (_, head) =>
    weights.norm(`${path}.${part}_layernorm.norms.${head}`, headDim),
  )
  return () => concat(norms.map((norm) => normOf(norm).weight))
}
