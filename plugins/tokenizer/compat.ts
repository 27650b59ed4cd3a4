/**
 * Rewrites a tokenizer.json so that @huggingface/tokenizers gives the ids of the Rust library. Three of its steps use the
 * classes of JavaScript's regular expressions, which differ outside ASCII: `Digits` (`\d` is 0-9 only), `ByteLevel`
 * with its own pattern (`\s` has U+FEFF and lacks U+0085), and a wished-for beginning or end token without a template.
 */

import type { Decoder } from '@huggingface/tokenizers'
import { ByteFallbackDecoder, SequenceDecoder } from '@huggingface/tokenizers'
import type { Json } from './files.ts'
import { isJson } from './files.ts'

/** The pattern of GPT-2, which `ByteLevel` applies itself when `use_regex` is set. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** A tokenizer.json with the same meaning that the JavaScript library executes as the Rust library does. */
export function compatibleTokenizer(
  tokenizer: Json,
  special: { bos?: string; eos?: string; idOf: IdOf },
): Json {
  return {
    normalizer: null,
    decoder: null,
    ...tokenizer,
    pre_tokenizer: rewritePreTokenizer(tokenizer['pre_tokenizer']),
    post_processor: withTemplate(tokenizer['post_processor'] ?? null, special),
  }
}

/** Byte tokens that spell a byte-order mark are text; the library's decoder would drop them. */
export function keepByteOrderMarks(decoder: Decoder | null): void {
  if (decoder instanceof SequenceDecoder) decoder.decoders.forEach(keepByteOrderMarks)
  if (decoder instanceof ByteFallbackDecoder)
    decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true })
}

type IdOf = (token: string) => number | undefined

function rewritePreTokenizer(value: unknown): unknown {
  if (!isJson(value)) return value ?? null
  if (value['type'] === 'Sequence' && Array.isArray(value['pretokenizers'])) {
    return { ...value, pretokenizers: value['pretokenizers'].map(rewritePreTokenizer) }
  }
  if (value['type'] === 'Digits') return split(value['individual_digits'] === true ? '\\p{N}' : '\\p{N}+')
  if (value['type'] === 'ByteLevel' && value['use_regex'] !== false && value['add_prefix_space'] !== true) {
    return { type: 'Sequence', pretokenizers: [split(GPT2), { ...value, use_regex: false }] }
  }
  return value
}

function split(regex: string): Json {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
}

/** Adds a template for tokens that tokenizer_config.json wants added and the post-processor does not know. */
function withTemplate(
  processor: unknown,
  { bos, eos, idOf }: { bos?: string; eos?: string; idOf: IdOf },
): unknown {
  const text = JSON.stringify(processor)
  const lacks = (token: string | undefined): token is string =>
    token !== undefined && idOf(token) !== undefined && !text.includes(JSON.stringify(token))
  const before = lacks(bos) ? [bos] : []
  const after = lacks(eos) ? [eos] : []
  if (before.length + after.length === 0) return processor
  const template = isJson(processor) && processor['type'] === 'TemplateProcessing' ? processor : {}
  const around = (items: unknown, fallback: 'A' | 'B'): unknown[] => [
    ...before.map(templateItem),
    ...(Array.isArray(items) ? items : [{ Sequence: { id: fallback, type_id: 0 } }]),
    ...after.map(templateItem),
  ]
  const tokens = [...before, ...after].map((id) => [id, { id, ids: [idOf(id)], tokens: [id] }])
  return {
    type: 'TemplateProcessing',
    single: around(template['single'], 'A'),
    pair: [...around(template['single'], 'A'), ...around(undefined, 'B')],
    special_tokens: {
      ...(isJson(template['special_tokens']) ? template['special_tokens'] : {}),
      ...Object.fromEntries(tokens),
    },
  }
}

function templateItem(id: string): Json {
  return { SpecialToken: { id, type_id: 0 } }
}
