/**
 * Gemma 1, 2 and 3. llama.cpp takes the scale of scores from the size of a head, but for the 27B models, which it knows by their layers.
 */
import { f32, type GgufTypedValue, u32 } from '../typed-values.ts'
import { DECODER, type GgufFamily } from './family.ts'
import {
  expectPattern,
  type Json,
  numberOf,
  type OwnFacts,
  type OwnReader,
  patternTypes,
  shortestFloat,
  unsupported,
} from './own-keys.ts'

export const gemma: GgufFamily = {
  ...DECODER,
  modelType: 'gemma',
  architecture: 'gemma',
  hfArchitecture: 'GemmaForCausalLM',
  normsFromOne: true,
  activation: { key: 'hidden_act', name: 'gelu_pytorch_tanh' },
}

/** Norms on both sides of attention and MLP. */
const SANDWICH = {
  ...DECODER.layer,
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
}

export const gemma2: GgufFamily = {
  ...gemma,
  modelType: 'gemma2',
  architecture: 'gemma2',
  hfArchitecture: 'Gemma2ForCausalLM',
  layer: SANDWICH,
  activation: { key: 'hidden_activation', name: 'gelu_pytorch_tanh' },
  own: {
    write(config, facts) {
      expectPattern(config, 2, facts)
      expectScale(config, facts, { largest: 46 })
      const cap = (key: string, fallback: number): GgufTypedValue => {
        if (config[key] === null) throw unsupported(`${key}: null: llama.cpp has a cap`, facts.place)
        return f32(numberOf(config, key, facts.place, fallback))
      }
      return {
        entries: [
          ['attention.sliding_window', u32(numberOf(config, 'sliding_window', facts.place, 4096))],
          ['attn_logit_softcapping', cap('attn_logit_softcapping', 50)],
          ['final_logit_softcapping', cap('final_logit_softcapping', 30)],
        ],
      }
    },
    read: (file) => ({
      ...windowed(file, 2),
      query_pre_attn_scalar: scaleOf(file, { largest: 46 }),
      attn_logit_softcapping: shortestFloat(file.number('attn_logit_softcapping', 50)),
      final_logit_softcapping: shortestFloat(file.number('final_logit_softcapping', 30)),
    }),
  },
}

/** What llama.cpp turns layers with a window by. */
const LOCAL_THETA = 10_000

export const gemma3: GgufFamily = {
  ...gemma2,
  modelType: 'gemma3_text',
  architecture: 'gemma3',
  hfArchitecture: 'Gemma3ForCausalLM',
  flat: flatRotation,
  own: {
    write(config, facts) {
      expectPattern(config, 6, facts)
      expectScale(config, facts, { largest: 62 })
      for (const key of ['attn_logit_softcapping', 'final_logit_softcapping'])
        if (config[key] != null) throw unsupported(`${key} of Gemma 3`, facts.place)
      if (numberOf(config, 'rope_local_base_freq', facts.place, LOCAL_THETA) !== LOCAL_THETA)
        throw unsupported(`layers with a window that turn by other than ${LOCAL_THETA}`, facts.place)
      return {
        entries: [['attention.sliding_window', u32(numberOf(config, 'sliding_window', facts.place, 4096))]],
      }
    },
    read: (file) => ({
      ...windowed(file, 6),
      query_pre_attn_scalar: scaleOf(file, { largest: 62 }),
      rope_local_base_freq: LOCAL_THETA,
    }),
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function windowed(file: OwnReader, each: number): Json {
  return {
    sliding_window: file.number('attention.sliding_window', 4096),
    layer_types: patternTypes(file.layers, each),
  }
}

/** `largest`: layers of the model whose scores are scaled by another size. */
function scaleOf(file: OwnReader, { largest }: { readonly largest: number }): number {
  return file.layers === largest
    ? file.number('embedding_length') / file.number('attention.head_count')
    : file.headDim
}

function expectScale(
  config: Json,
  { layers, hidden, heads, headSize, place }: OwnFacts,
  { largest }: { readonly largest: number },
): void {
  const scalar = numberOf(config, 'query_pre_attn_scalar', place, 256)
  const expected = layers === largest ? hidden / heads : headSize
  if (scalar !== expected)
    throw unsupported(`query_pre_attn_scalar ${scalar}: llama.cpp computes ${expected}`, place)
}

/** The rotation of layers without a window where every other model has its only one. */
function flatRotation({ rope_parameters: given, ...config }: Json): Json {
  if (typeof given !== 'object' || given === null || !('full_attention' in given)) return config
  const { rope_theta, ...scaling }: Json = Object(given.full_attention)
  const local: Json = Object('sliding_attention' in given ? given.sliding_attention : {})
  return {
    ...config,
    rope_theta: rope_theta ?? 1_000_000,
    rope_scaling: scaling,
    rope_local_base_freq: local['rope_theta'] ?? LOCAL_THETA,
  }
}
