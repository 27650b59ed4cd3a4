/**
 * A tokenizer → the `tokenizer.*` keys of a GGUF file: byte-level BPE as `gpt2`, BPE with byte fallback (SentencePiece) as `llama`. What
 * llama.cpp would cut otherwise is an error: wrong tokens give no sign. The way back is tokenizer.ts.
 */
import { TrituneError } from '../../core/errors.ts'
import { preTokenizerName } from './pre-tokenizers.ts'
import type { GgufFile } from './read.ts'
import { sentencePieceMerges } from './sentencepiece.ts'
import { byteLevelPatterns, isJson, type Json, listOf, objectsOf } from './tokenizer-parts.ts'
import { bool, f32s, type GgufTypedValue, i32s, text, texts, typed, u32 } from './typed-values.ts'

/** A tokenizer as its Hugging Face files. */
export interface TokenizerParts {
  /** Named in errors. */
  readonly place: string
  /** The content of tokenizer.json. */
  readonly tokenizer: Json
  /** The content of tokenizer_config.json. */
  readonly config: Json
  /** Jinja texts by name; `default` is the one that counts. */
  readonly chatTemplates: ReadonlyMap<string, string>
  /** More tokens that end a reply. */
  readonly stopIds: readonly number[]
}

type Entry = readonly [key: string, value: GgufTypedValue]

/** As a GGUF file has it already: its own keys, unchanged. */
export function copiedTokenizerMetadata(file: GgufFile): Entry[] {
  return [...file.metadata]
    .filter(([key]) => key.startsWith('tokenizer.'))
    .map(([key, value]): Entry => [key, TYPED[key]?.(value) ?? typed(value)])
}

/** For a model without a tokenizer. */
export const NO_TOKENIZER: readonly Entry[] = [['tokenizer.ggml.model', text('none')]]

/**
 * The `tokenizer.*` keys of a tokenizer, with a token for each of `vocabSize` rows of the embedding.
 *
 * @throws E_UNSUPPORTED for a tokenizer that llama.cpp has not; E_TOKENIZER for one that contradicts itself
 */
export function tokenizerMetadata(parts: TokenizerParts, vocabSize: number): Entry[] {
  const { place, tokenizer } = parts
  const model = isJson(tokenizer['model']) ? tokenizer['model'] : {}
  if ((model['type'] ?? 'BPE') !== 'BPE')
    throw unsupported(`vocabularies of the kind ${JSON.stringify(model['type'])} cannot be written`, place)
  const vocab = isJson(model['vocab']) ? model['vocab'] : {}
  const added = objectsOf(tokenizer['added_tokens'])
  const isSentencePiece = model['byte_fallback'] === true
  const tokens = tokensOf(vocab, added, vocabSize, place)
  const types = typesOf(tokens, added, { unknown: model['unk_token'], isSentencePiece })
  const filled = tokens.map((token, id) => token ?? `[PAD${id}]`)
  const merges = mergesOf(model, place)
  return [
    ...(isSentencePiece
      ? sentencePieceEntries(tokenizer, { vocab, merges, tokens: filled, types, place })
      : byteLevelEntries(tokenizer, { model, merges, tokens: filled, types, place })),
    ...specialEntries(parts, filled),
    ...templateEntries(parts.chatTemplates),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE] = [1, 2, 3, 4, 5, 6]

/** Keys whose values do not tell their type. */
const TYPED: Readonly<Record<string, ((value: unknown) => GgufTypedValue) | undefined>> = {
  'tokenizer.ggml.scores': (value) => f32s(listOf(value).map(Number)),
  'tokenizer.ggml.token_type': (value) => i32s(listOf(value).map(Number)),
}

interface Vocabulary {
  readonly merges: readonly (readonly [string, string])[]
  readonly tokens: readonly string[]
  readonly types: readonly number[]
  readonly place: string
}

function byteLevelEntries(
  tokenizer: Json,
  { model, merges, tokens, types, place }: Vocabulary & { readonly model: Json },
): Entry[] {
  const normalizer = tokenizer['normalizer'] ?? null
  const patterns = byteLevelPatterns(tokenizer['pre_tokenizer'], place)
  const name = preTokenizerName({
    patterns,
    ignoreMerges: model['ignore_merges'] === true,
    normalizer: isJson(normalizer) && normalizer['type'] === 'NFC' ? 'NFC' : null,
  })
  const isOther = normalizer !== null && !(isJson(normalizer) && normalizer['type'] === 'NFC')
  if (name === undefined || isOther)
    throw unsupported('llama.cpp has no pre-tokenizer that cuts texts as this one', place)
  const spaced = merges.find((pair) => pair.some((piece) => piece.includes(' ')))
  if (spaced) throw unsupported(`the merge ${JSON.stringify(spaced)} has a space in it`, place)
  return [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(name)],
    ['tokenizer.ggml.tokens', texts(tokens)],
    ['tokenizer.ggml.token_type', i32s(types)],
    ['tokenizer.ggml.merges', texts(merges.map((pair) => pair.join(' ')))],
  ]
}

/**
 * llama.cpp joins the two pieces whose whole has the highest score; tokenizer.json says which pairs join first. The score of a piece is
 * how late it is made, and the scores must give the same list of merges again.
 */
function sentencePieceEntries(
  tokenizer: Json,
  { vocab, merges, tokens, types, place }: Vocabulary & { readonly vocab: Json },
): Entry[] {
  const ids = new Map(Object.entries(vocab).map(([piece, id]) => [piece, Number(id)]))
  const scores = Array.from({ length: tokens.length }, () => 0)
  for (const [rank, [left, right]] of merges.entries()) {
    const id = ids.get(left + right)
    if (id !== undefined && scores[id] === 0) scores[id] = -(rank + 1)
  }
  const again = sentencePieceMerges(ids, scores)
  const key = (pair: readonly [string, string]): string => JSON.stringify(pair)
  const known = new Set(merges.map(key))
  if (again.length !== merges.length || again.some((pair) => !known.has(key(pair))))
    throw unsupported('its merges are not those that a SentencePiece vocabulary implies', place)
  return [
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.pre', text('default')],
    ['tokenizer.ggml.tokens', texts(tokens)],
    ['tokenizer.ggml.scores', f32s(scores)],
    ['tokenizer.ggml.token_type', i32s(types)],
    ['tokenizer.ggml.add_space_prefix', bool(addsSpace(tokenizer, place))],
  ]
}

/** Whether a text gets a space in front: by the normalizer of older files or by Metaspace. */
function addsSpace(tokenizer: Json, place: string): boolean {
  const normalizer = tokenizer['normalizer']
  const steps = isJson(normalizer) ? (normalizer['normalizers'] ?? [normalizer]) : []
  let adds = false
  for (const step of objectsOf(steps)) {
    if (step['type'] === 'Prepend' && step['prepend'] === '▁') adds = true
    else if (step['type'] !== 'Replace')
      throw unsupported(`the normalizer ${JSON.stringify(step['type'])} is not in llama.cpp`, place)
  }
  const before = tokenizer['pre_tokenizer']
  if (!isJson(before)) return adds
  if (before['type'] !== 'Metaspace')
    throw unsupported(`the pre-tokenizer ${JSON.stringify(before['type'])} is not in llama.cpp`, place)
  return (
    adds ||
    (before['prepend_scheme'] ?? (before['add_prefix_space'] === false ? 'never' : 'always')) !== 'never'
  )
}

/** By id; undefined where there is none. As many as the embedding has rows. */
function tokensOf(
  vocab: Json,
  added: readonly Json[],
  vocabSize: number,
  place: string,
): (string | undefined)[] {
  const tokens: (string | undefined)[] = Array.from({ length: vocabSize }, () => undefined)
  const put = (token: unknown, id: unknown): void => {
    if (typeof token !== 'string' || typeof id !== 'number' || !Number.isInteger(id) || id < 0)
      throw new TrituneError('E_TOKENIZER', `${JSON.stringify(token)} has the id ${JSON.stringify(id)}`, {
        place,
      })
    if (id >= vocabSize)
      throw new TrituneError(
        'E_TOKENIZER',
        `the token ${JSON.stringify(token)} is number ${id}; the model has ${vocabSize}`,
        {
          place,
          remedy:
            'the tokenizer belongs to another model, or the embedding was not made larger for new tokens',
        },
      )
    tokens[id] = token
  }
  for (const [token, id] of Object.entries(vocab)) put(token, id)
  for (const { content, id } of added) put(content, id)
  return tokens
}

function typesOf(
  tokens: readonly (string | undefined)[],
  added: readonly Json[],
  { unknown, isSentencePiece }: { unknown: unknown; isSentencePiece: boolean },
): number[] {
  const kinds = new Map(
    added.map(({ content, special }) => [content, special === true ? CONTROL : USER_DEFINED]),
  )
  return Array.from(tokens, (token) => {
    if (token === undefined) return UNUSED
    if (isSentencePiece && token === unknown) return UNKNOWN
    if (isSentencePiece && /^<0x[0-9A-F]{2}>$/.test(token)) return BYTE
    return kinds.get(token) ?? NORMAL
  })
}

function mergesOf(model: Json, place: string): [string, string][] {
  return listOf(model['merges']).map((merge) => {
    const pair: readonly unknown[] = typeof merge === 'string' ? merge.split(' ') : listOf(merge)
    const [left, right] = pair
    if (pair.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right]
    throw new TrituneError('E_TOKENIZER', `the merge ${JSON.stringify(merge)} is not two pieces`, { place })
  })
}

function specialEntries(
  { tokenizer, config, stopIds, place }: TokenizerParts,
  tokens: readonly string[],
): Entry[] {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const idOf = (name: string): number | undefined => {
    const given = config[name]
    const token = isJson(given) ? given['content'] : given
    if (typeof token !== 'string') return undefined
    const id = ids.get(token)
    if (id !== undefined) return id
    throw new TrituneError('E_TOKENIZER', `${name} ${JSON.stringify(token)} is not in the vocabulary`, {
      place,
    })
  }
  const eos = idOf('eos_token')
  const named: [string, number | undefined][] = [
    ['bos_token_id', idOf('bos_token')],
    ['eos_token_id', eos],
    ['eot_token_id', stopIds.find((id) => id !== eos && id < tokens.length)],
    ['unknown_token_id', idOf('unk_token')],
    ['padding_token_id', idOf('pad_token')],
  ]
  const { before, after } = addedAround(tokenizer['post_processor'])
  return [
    ...named.flatMap(([name, id]): Entry[] =>
      id === undefined ? [] : [[`tokenizer.ggml.${name}`, u32(id)]],
    ),
    ['tokenizer.ggml.add_bos_token', bool(before)],
    ['tokenizer.ggml.add_eos_token', bool(after)],
  ]
}

/** Whether the post-processor puts a token before and behind a single text. */
function addedAround(processor: unknown): { before: boolean; after: boolean } {
  if (!isJson(processor)) return { before: false, after: false }
  if (processor['type'] === 'Sequence') {
    const all = objectsOf(processor['processors']).map(addedAround)
    return { before: all.some((one) => one.before), after: all.some((one) => one.after) }
  }
  if (processor['type'] !== 'TemplateProcessing') return { before: false, after: false }
  const single = objectsOf(processor['single'])
  return {
    before: 'SpecialToken' in (single.at(0) ?? {}),
    after: 'SpecialToken' in (single.at(-1) ?? {}),
  }
}

function templateEntries(templates: ReadonlyMap<string, string>): Entry[] {
  const others = [...templates].filter(([name]) => name !== 'default')
  const main = templates.get('default')
  return [
    ...(main === undefined ? [] : [['tokenizer.chat_template', text(main)] as const]),
    ...others.map(([name, template]): Entry => [`tokenizer.chat_template.${name}`, text(template)]),
    ...(others.length === 0
      ? []
      : [['tokenizer.chat_templates', texts(others.map(([name]) => name))] as const]),
  ]
}

function unsupported(what: string, place: string): TrituneError {
  return new TrituneError('E_UNSUPPORTED', `this tokenizer cannot be part of a GGUF file: ${what}`, {
    place,
    remedy: 'export the model as a Hugging Face folder (hf)',
  })
}
