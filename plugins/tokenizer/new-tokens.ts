/**
 * A tokenizer with tokens that it did not have: files in, files out, as transformers' `add_tokens` and `add_special_tokens` would save them. What the
 * model knows of them is another matter.
 */
import { TrituneError } from '../../core/mod.ts'
import { SPECIAL_KEYS, specialToken } from './config-tokens.ts'
import { createTokenizer } from './create-tokenizer.ts'
import { isJson, type Json, type TokenizerFiles } from './parsed-files.ts'

/** What changes; in this order. */
export interface VocabularyChanges {
  /** Other texts for tokens that the tokenizer keeps in reserve, by id: `{ 128011: '<|tool|>' }`. */
  readonly overrides?: Readonly<Record<string, string>>
  /** `pad_token` and the like: added where the vocabulary has not got them. */
  readonly specialTokens?: Readonly<Record<string, string | null>>
  /** Added as tokens of their own, taken out of a text before it is split. */
  readonly tokens?: readonly string[]
  /** Added after them, and left out of decoded text: those of `additional_special_tokens`. */
  readonly moreSpecialTokens?: readonly string[]
}

/** A token with the id that it has now. */
export interface NewToken {
  readonly id: number
  readonly token: string
}

/** The files of the tokenizer, and which of its tokens have a meaning of their own for the first time. */
export interface ChangedVocabulary {
  /** `tokenizer` is the same object where it stays as it is. */
  readonly files: TokenizerFiles
  /** By id: tokens that were added, and those that another text was given to. */
  readonly added: readonly NewToken[]
  /** A tokenizer_config.json or special_tokens_map.json as it is written beside the new tokenizer.json. */
  settings(json: Json): Json
}

/**
 * The files with the changes in them. E_TOKENIZER when an override is of no added token, or would be there twice.
 *
 * @example
 * ```ts
 * import { changeVocabulary, loadTokenizer, readTokenizerFiles } from 'tritune/plugins/tokenizer'
 *
 * const { files, added } = changeVocabulary(readTokenizerFiles('my-model'), { tokens: ['<call>'] })
 * const ids = loadTokenizer(files).encode('<call>', { addSpecialTokens: false })
 * console.log(added.length, ids[0] === added[0]?.id) // → 1 true
 * ```
 */
export function changeVocabulary(files: TokenizerFiles, changes: VocabularyChanges): ChangedVocabulary {
  const texts = renamesOf(files, changes.overrides ?? {})
  const renamed = withOverrides(files, texts)
  const before = createTokenizer(renamed)
  const special = Object.entries(changes.specialTokens ?? {}).flatMap(([key, token]) =>
    // One of the vocabulary becomes special where it is named.
    token === null || token === specialToken(renamed.config, key) || before.idOf(token) !== undefined
      ? []
      : [token],
  )
  const wanted = [
    ...special.map((content) => ({ content, special: true })),
    ...(changes.tokens ?? []).map((content) => ({ content, special: false })),
    ...(changes.moreSpecialTokens ?? []).map((content) => ({ content, special: true })),
  ]
  const listed = addedTokensOf(renamed)
  const known = new Set(listed.map(({ content }) => content))
  const fresh = wanted.filter(
    ({ content }, i) =>
      !known.has(content) && wanted.findIndex((one) => one.content === content) === i && content !== '',
  )
  const plain = fresh.map((token) => ({
    ...token,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }))
  const grown = { ...renamed, tokenizer: { ...renamed.tokenizer, added_tokens: [...listed, ...plain] } }
  const after = plain.length === 0 ? before : createTokenizer(grown)
  const numbered = plain.map((token) => ({ id: idIn(after, token.content), ...token }))
  const added = numbered.filter(({ content }) => before.idOf(content) === undefined)
  const settings = (json: Json): Json => ({
    ...withDecoder(renameIn(json, texts), numbered),
    ...specialsOf(changes),
  })
  return {
    files: {
      ...renamed,
      config: settings(files.config),
      tokenizer:
        numbered.length === 0
          ? renamed.tokenizer
          : { ...renamed.tokenizer, added_tokens: [...listed, ...numbered] },
    },
    added: [
      ...Object.entries(changes.overrides ?? {}).map(([id, token]) => ({ id: Number(id), token })),
      ...added.map(({ id, content }) => ({ id, token: content })),
    ].toSorted((a, b) => a.id - b.id),
    settings,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Added = Json & { readonly content: string }

function addedTokensOf({ tokenizer, place }: TokenizerFiles): readonly Added[] {
  const listed: unknown = tokenizer['added_tokens'] ?? []
  if (Array.isArray(listed) && listed.every(isAdded)) return listed
  throw new TrituneError('E_TOKENIZER', '"added_tokens" is not a list of tokens', { place })
}

function isAdded(value: unknown): value is Added {
  return isJson(value) && typeof value['content'] === 'string'
}

function idIn({ idOf }: ReturnType<typeof createTokenizer>, token: string): number {
  const id = idOf(token)
  if (id === undefined) throw new TrituneError('E_TOKENIZER', `the token "${token}" cannot be added`)
  return id
}

function specialsOf({ specialTokens = {}, moreSpecialTokens = [] }: VocabularyChanges): Json {
  const named = Object.entries(specialTokens).filter(([, token]) => token !== null)
  return {
    ...Object.fromEntries(named),
    ...(moreSpecialTokens.length > 0 && { additional_special_tokens: moreSpecialTokens }),
  }
}

/** `added_tokens_decoder` with these tokens, where there is one. */
function withDecoder(config: Json, tokens: readonly (Json & { readonly id: number })[]): Json {
  const decoder = config['added_tokens_decoder']
  if (!isJson(decoder)) return config
  const more = tokens.map(({ id, ...token }) => [String(id), token])
  return { ...config, added_tokens_decoder: { ...decoder, ...Object.fromEntries(more) } }
}

/** Old text → new text. */
function renamesOf(
  files: TokenizerFiles,
  overrides: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const ids = Object.entries(overrides)
  if (ids.length === 0) return new Map()
  const { place } = files
  const before = createTokenizer(files)
  const reserved = addedTokensOf(files)
  return new Map(
    ids.map(([id, text]) => {
      const old = before.tokenOf(Number(id))
      if (old === undefined || !reserved.some(({ content }) => content === old))
        throw new TrituneError('E_TOKENIZER', `${id} is not the id of an added token`, {
          place,
          remedy:
            'only tokens that the tokenizer keeps in reserve can be given another text: see added_tokens of tokenizer.json',
        })
      const other = before.idOf(text)
      if (other !== undefined && other !== Number(id))
        throw new TrituneError('E_TOKENIZER', `"${text}" is a token already, ${other}`, { place })
      return [old, text]
    }),
  )
}

function withOverrides(files: TokenizerFiles, texts: ReadonlyMap<string, string>): TokenizerFiles {
  if (texts.size === 0) return files
  const { tokenizer, config } = files
  const model = tokenizer['model']
  return {
    ...files,
    config: renameIn(config, texts),
    tokenizer: {
      ...tokenizer,
      added_tokens: addedTokensOf(files).map((token) => ({
        ...token,
        content: texts.get(token.content) ?? token.content,
      })),
      ...(isJson(model) && { model: { ...model, vocab: renamedVocabulary(model['vocab'], texts) } }),
    },
  }
}

function renamedVocabulary(vocab: unknown, texts: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(vocab))
    return vocab.map((entry: unknown) =>
      Array.isArray(entry) ? [texts.get(String(entry[0])) ?? entry[0], ...entry.slice(1)] : entry,
    )
  if (!isJson(vocab)) return vocab
  if (![...texts.keys()].some((text) => Object.hasOwn(vocab, text))) return vocab
  return Object.fromEntries(Object.entries(vocab).map(([text, id]) => [texts.get(text) ?? text, id]))
}

/** Special tokens that are named, and the content of `added_tokens_decoder`. */
function renameIn(json: Json, texts: ReadonlyMap<string, string>): Json {
  if (texts.size === 0) return json
  const renamed = (value: unknown): unknown => {
    if (typeof value === 'string') return texts.get(value) ?? value
    if (Array.isArray(value)) return value.map(renamed)
    return isJson(value) && typeof value['content'] === 'string'
      ? { ...value, content: texts.get(value['content']) ?? value['content'] }
      : value
  }
  const named = [...SPECIAL_KEYS, 'additional_special_tokens', 'extra_special_tokens']
  const decoder = json['added_tokens_decoder']
  return {
    ...json,
    ...Object.fromEntries(
      named.flatMap((key) => (Object.hasOwn(json, key) ? [[key, renamed(json[key])]] : [])),
    ),
    ...(isJson(decoder) && {
      added_tokens_decoder: Object.fromEntries(
        Object.entries(decoder).map(([id, token]) => [id, renamed(token)]),
      ),
    }),
  }
}
