/**
 * Command R7B: one norm for attention and MLP, a window on all layers but every fourth.
 */
import { f32, u32 } from '../typed-values.ts'
import { DECODER, type GgufFamily } from './family.ts'
import { expectPattern, numberOf, patternTypes, shortestFloat, unsupported } from './own-keys.ts'

const { ffn_norm: _between, attn_q_norm: _q, attn_k_norm: _k, ...LAYER } = DECODER.layer

export const cohere2: GgufFamily = {
  ...DECODER,
  modelType: 'cohere2',
  architecture: 'cohere2',
  hfArchitecture: 'Cohere2ForCausalLM',
  layerNorms: true,
  layer: LAYER,
  own: {
    write(config, facts) {
      expectPattern(config, 4, facts)
      if (config['attention_bias'] === true) throw unsupported('attention_bias of cohere2', facts.place)
      return {
        entries: [
          ['attention.sliding_window', u32(numberOf(config, 'sliding_window', facts.place, 4096))],
          ['logit_scale', f32(numberOf(config, 'logit_scale', facts.place, 0.0625))],
        ],
      }
    },
    read: (file) => ({
      sliding_window: file.number('attention.sliding_window'),
      layer_types: patternTypes(file.layers, 4),
      logit_scale: shortestFloat(file.number('logit_scale')),
    }),
  },
}
