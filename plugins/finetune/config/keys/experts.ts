/**
 * Mixtures of experts: how their products are computed, and what of them is quantized or trained.
 */
import { ignored, type KeyFacts, refused } from './key-fact.ts'

const OWN_KERNELS = 'the products of experts are grouped always'
const EXPERTS = 'mixtures of experts'
const QUANTIZED = 'experts that are quantized by themselves'

export const EXPERT_KEYS: KeyFacts = {
  ignored: {
    ...ignored(OWN_KERNELS, [
      'experts_implementation',
      'expert_backend',
      'moe_grouped_backend',
      'moe_dequant_chunk_size',
      'moe_bnb_fast',
      'use_scattermoe',
      'use_sonicmoe',
    ]),
  },
  refused: {
    ...refused(EXPERTS, ['dense_mixer']),
    ...refused(QUANTIZED, ['quantize_moe_experts']),
  },
}
