/**
 * qwen2_moe: Qwen2's attention, experts, and one MLP for every token beside them, behind a gate (arXiv 2407.10671).
 */
import type { Layer, ModelDefinition } from '../../../core/mod.ts'
import { booleanField, integerField, stringField } from '../_config.ts'
import { createDecoder } from '../decoder/decoder.ts'
import { gatedActivation } from '../decoder/gated.ts'
import { gatedExpert, sharedExpert } from '../moe/sparse-mlp.ts'
import { NAMES, qwenMoe } from '../moe/qwen.ts'
import { qwenWindow } from '../decoder/windows.ts'

export const qwen2Moe: ModelDefinition = {
  name: 'qwen2_moe',
  create(config, source) {
    const hidden = integerField(config, 'hidden_size')
    const inner = integerField(config, 'shared_expert_intermediate_size', 5632)
    const activation = gatedActivation(stringField(config, 'hidden_act', 'silu'))
    return createDecoder(config, source, {
      type: 'qwen2_moe',
      architecture: 'Qwen2MoeForCausalLM',
      qkvBias: booleanField(config, 'qkv_bias', true),
      window: qwenWindow(config),
      ...qwenMoe(config, source, {
        perToken: 4,
        inner: 1408,
        shared(weights, path) {
          const of = (name: string, from: number, to: number): Layer =>
            weights.layer(`${path}.shared_expert.${name}`, from, to)
          const expert = gatedExpert(
            {
              gate: of(NAMES.gate, hidden, inner),
              up: of(NAMES.up, hidden, inner),
              down: of(NAMES.down, inner, hidden),
            },
            activation,
          )
          const gate = weights.layer(`${path}.shared_expert_gate`, hidden, 1, { packed: false })
          return sharedExpert(gate, expert)
        },
      }),
    })
  },
}
