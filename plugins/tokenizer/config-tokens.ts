/**
 * tokenizer.json with what tokenizer_config.json adds to it, as transformers does on loading: tokens of
 * `added_tokens_decoder` (whose options win), special tokens that are only named, and BOS and EOS around a text.
 */
import { TrituneError } from '../../core/mod.ts'
import { type Json, isJson } from './parsed-files.ts'

export const SPECIAL_KEYS = [
  'bos_token',
  'eos_token',
  'pad_token',
  'unk_token',
  'cls_token',
  'sep_token',
  'mask_token',
] as const

/** A special token is a text, or a mapping with a `content`. */
export function specialToken(config: Json, key: string): string | undefined {
  return contentOf(config[key])
}

export function withConfigTokens(tokenizer: Json, config: Json, place: string): Json {
  const listed: unknown = tokenizer['added_tokens'] ?? []
  if (!Array.isArray(listed))
    throw new TrituneError('E_TOKENIZER', '"added_tokens" is not a list of tokens', { place })
  const decoder = config['added_tokens_decoder']
  const decoded = isJson(decoder)
    ? Object.entries(decoder)
        .toSorted(([a], [b]) => Number(a) - Number(b))
        .map(([id, token]) => (isJson(token) ? { ...token, id: Number(id) } : token))
    : []
  const all: unknown[] = [...listed, ...decoded]
  const known = new Set(all.map(contentOf))
  const model = tokenizer['model']
  const vocab = isJson(model) ? model['vocab'] : undefined
  const isInModel = (token: string): boolean =>
    Array.isArray(vocab)
      ? vocab.some((entry: unknown) => Array.isArray(entry) && entry[0] === token)
      : isJson(vocab) && Object.hasOwn(vocab, token)
  for (const value of namedTokens(config)) {
    const content = contentOf(value)
    if (content === undefined || known.has(content) || !isInModel(content)) continue
    known.add(content)
    all.push({ ...(isJson(value) ? value : {}), content, special: true })
  }
  return { ...tokenizer, added_tokens: all }
}

/**
 * Whether tokenizer_config.json says what stands around a text; then it, and not the post-processor, decides, as in
 * transformers 5.
 */
export function decidesEnds(config: Json): boolean {
  return typeof config['add_bos_token'] === 'boolean' || typeof config['add_eos_token'] === 'boolean'
}

function namedTokens(config: Json): unknown[] {
  const lists = ['additional_special_tokens', 'extra_special_tokens'].map((key) => config[key])
  return [
    ...SPECIAL_KEYS.map((key) => config[key]),
    ...lists.flatMap((list): unknown[] =>
      Array.isArray(list) ? list : isJson(list) ? Object.values(list) : [],
    ),
  ]
}

function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return isJson(value) && typeof value['content'] === 'string' ? value['content'] : undefined
}
