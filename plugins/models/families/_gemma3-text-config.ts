/**
 * Gemma 3 from 4B on also sees images: its config.json has that of the text inside. Here only the text is used.
 */
import { showValue, TrituneError } from '../../../core/mod.ts'
import type { ConfigJson } from '../_config.ts'

/** What the text config of a model that sees images leaves out. */
const DEFAULTS = {
  vocab_size: 262_208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 131_072,
  sliding_window: 4096,
} as const

/** Fields of the outer config.json that count for the text too. */
const SHARED = [
  'architectures',
  'dtype',
  'torch_dtype',
  'quantization_config',
  'eos_token_id',
  'bos_token_id',
  'pad_token_id',
]

/** A config.json of type `gemma3` with the fields of its text at the top; any other one as it is. */
export function textOfGemma3(config: ConfigJson): ConfigJson {
  const text = config.text_config ?? null
  if (config.model_type !== 'gemma3' || text === null) return config
  if (typeof text !== 'object' || Array.isArray(text))
    throw new TrituneError('E_MODEL', `config.json: text_config: expected a mapping, got ${showValue(text)}`)
  const shared = SHARED.flatMap((key) => (config[key] == null ? [] : [[key, config[key]] as const]))
  return { ...DEFAULTS, ...text, ...Object.fromEntries(shared), model_type: 'gemma3' }
}
