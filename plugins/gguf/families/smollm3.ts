/**
 * SmolLM3: llama, with every fourth layer not turned, which llama.cpp takes as given.
 */
import { DECODER, type GgufFamily } from './family.ts'
import { unsupported } from './own-keys.ts'

const EACH = 4

export const smollm3: GgufFamily = {
  ...DECODER,
  modelType: 'smollm3',
  architecture: 'smollm3',
  hfArchitecture: 'SmolLM3ForCausalLM',
  permuted: true,
  own: {
    write(config, { layers, place }) {
      const list: unknown = config['no_rope_layers'] ?? null
      const interval = Number(config['no_rope_layer_interval'] ?? EACH)
      for (let layer = 0; layer < layers; layer++) {
        const turns = Array.isArray(list) ? list[layer] === 1 : (layer + 1) % interval !== 0
        if (turns !== ((layer + 1) % EACH !== 0))
          throw unsupported(`layer ${layer}: llama.cpp turns all layers but each ${EACH}th`, place)
      }
      if (config['use_sliding_window'] === true && config['sliding_window'] != null)
        throw unsupported('layers with a sliding window: llama.cpp lets these attend to all', place)
      return { entries: [] }
    },
    read: () => ({ no_rope_layer_interval: EACH }),
  },
}
