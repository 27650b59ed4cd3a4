/**
 * Phi-3 and Phi-4: q, k and v in one tensor, gate and up in another; the two lists of longrope are tensors.
 */
import { f32, u32 } from '../typed-values.ts'
import { DECODER, type GgufFamily } from './family.ts'
import { type Json, numberOf, type OwnEntries, shortestFloat, unsupported } from './own-keys.ts'

export const phi3: GgufFamily = {
  ...DECODER,
  modelType: 'phi3',
  architecture: 'phi3',
  hfArchitecture: 'Phi3ForCausalLM',
  partial: true,
  layer: {
    attn_norm: 'input_layernorm',
    attn_qkv: 'self_attn.qkv_proj',
    attn_output: 'self_attn.o_proj',
    ffn_norm: 'post_attention_layernorm',
    ffn_up: 'mlp.gate_up_proj',
    ffn_down: 'mlp.down_proj',
  },
  own: {
    write(config, { place }) {
      const window = config['sliding_window'] ?? null
      const rope = longrope(config, place)
      if (window === null) return rope
      const size = numberOf(config, 'sliding_window', place)
      const all = `llama.cpp attends to all of a text, not to the last ${size} tokens as this model: longer texts differ`
      return {
        ...rope,
        entries: [...rope.entries, ['attention.sliding_window', u32(size)]],
        notes: [...(rope.notes ?? []), all],
      }
    },
    read(file) {
      const window = file.number('attention.sliding_window', 0)
      const [short, long] = [
        file.tensor('rope_factors_short.weight'),
        file.tensor('rope_factors_long.weight'),
      ]
      return {
        ...(window > 0 ? { sliding_window: window } : {}),
        ...(short && long
          ? {
              original_max_position_embeddings: file.number('rope.scaling.original_context_length'),
              rope_scaling: {
                rope_type: 'longrope',
                short_factor: short,
                long_factor: long,
                attention_factor: shortestFloat(file.number('rope.scaling.attn_factor', 1)),
              },
            }
          : {}),
      }
    },
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function longrope(config: Json, place: string): OwnEntries {
  const rope: Json = Object(config['rope_parameters'] ?? config['rope_scaling'] ?? {})
  const type = rope['rope_type'] ?? rope['type']
  if (type !== 'longrope' && type !== 'su') return { entries: [] }
  const [short, long] = [numbers(rope, 'short_factor', place), numbers(rope, 'long_factor', place)]
  const original = numberOf(
    { ...config, ...rope },
    'original_max_position_embeddings',
    place,
    numberOf(config, 'max_position_embeddings', place),
  )
  const factor = numberOf(
    rope,
    'factor',
    place,
    numberOf(config, 'max_position_embeddings', place) / original,
  )
  const attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
  return {
    entries: [
      ['rope.scaling.original_context_length', u32(original)],
      ['rope.scaling.attn_factor', f32(numberOf(rope, 'attention_factor', place, attention))],
    ],
    lists: { 'rope_factors_long.weight': long, 'rope_factors_short.weight': short },
    notes: [
      `llama.cpp turns by the long factors as soon as its context is set to more than ${original} tokens, for short texts too`,
    ],
  }
}

function numbers(rope: Json, key: string, place: string): number[] {
  const value = rope[key]
  if (Array.isArray(value) && value.every((one) => typeof one === 'number')) return value
  throw unsupported(`longrope without ${key}`, place)
}
