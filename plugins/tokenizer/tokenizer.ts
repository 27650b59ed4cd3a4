/**
 * Text to token ids and back, exactly as the Hugging Face fast tokenizer of the model does, and chat messages to text.
 * A wrapper on @huggingface/tokenizers that adds checks, streaming, special-token lookup and chat templates;
 * it trains nothing and gives no offsets.
 */

import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers'
import { TrituneError } from '../../core/errors.ts'
import type { ChatMessage, RenderedChat, RenderOptions } from './chat.ts'
import { createChatRenderer } from './chat.ts'
import { compatibleTokenizer, keepByteOrderMarks } from './compat.ts'
import type { Json, TokenizerFiles, TokenizerSource } from './files.ts'
import { isJson, readTokenizerFiles } from './files.ts'
import type { DecodeStream } from './stream.ts'
import { createDecodeStream } from './stream.ts'
import { rememberWords } from './word-cache.ts'

export interface Tokenizer {
  /** One more than the largest id; the embedding of the model may have more rows. */
  readonly vocabSize: number
  readonly bosId: number | undefined
  /** The end-of-sequence token of the tokenizer, or the first of the generation config. */
  readonly eosId: number | undefined
  /** Every token that ends a reply (`eosId` first); some models have several. */
  readonly eosIds: readonly number[]
  readonly padId: number | undefined
  readonly unkId: number | undefined
  /** Ids of the tokens that `skipSpecialTokens` leaves out. */
  readonly specialIds: ReadonlySet<number>
  /** True when there is a chat template. */
  readonly hasChatTemplate: boolean
  /** The chat templates as Jinja texts, by name; the usual one is `default`. */
  readonly chatTemplates: ReadonlyMap<string, string>
  /** Ids of a text. With `addSpecialTokens` (default) as the model was trained: with BOS, where it has one. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[]
  /** Text of ids, without any clean-up of spaces. Ids beyond the vocabulary give no text. */
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string
  /** The token as the vocabulary spells it. */
  tokenOf(id: number): string | undefined
  idOf(token: string): number | undefined
  /** Decodes token by token; never gives half a character. */
  createDecodeStream(options?: { skipSpecialTokens?: boolean }): DecodeStream
  /**
   * Messages through the chat template of the model; the text holds all special tokens: encode it with
   * `addSpecialTokens: false`.
   * @throws E_TOKENIZER when there is no template, or it refuses the messages (with its own message)
   */
  renderChat(messages: readonly ChatMessage[], options?: RenderOptions): string
  /** As `renderChat`, with the places of the template's `{% generation %}` blocks. */
  renderMarkedChat(messages: readonly ChatMessage[], options?: RenderOptions): RenderedChat
}

/**
 * Loads the tokenizer of a model.
 * @throws E_TOKENIZER when there is none or it cannot be used, E_FORMAT for damaged files
 */
export function loadTokenizer(source: TokenizerSource): Tokenizer {
  const files = readTokenizerFiles(source)
  const inner = createInner(files)
  const vocabSize = Math.max(-1, ...(['vocab', 'added'] as const).map((part) => largestId(files, part))) + 1
  const named = (key: string): number | undefined => {
    const token = specialToken(files.config, key)
    return token === undefined ? undefined : inner.token_to_id(token)
  }
  const specialIds = new Set(
    [
      ...addedTokens(files).map(({ id, special }) => (special ? id : undefined)),
      ...SPECIAL_KEYS.map(named),
    ].filter((id) => id !== undefined),
  )
  const ownEos = named('eos_token')
  const render = createChatRenderer(files.place, files.chatTemplates, specialTokenTexts(files.config))
  const eosIds = [...new Set([...(ownEos === undefined ? [] : [ownEos]), ...files.stopIds])]

  function decode(
    ids: ArrayLike<number>,
    { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {},
  ): string {
    const known: number[] = []
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]
      if (skipSpecialTokens && specialIds.has(id)) continue
      if (inner.id_to_token(id) !== undefined) known.push(id)
    }
    if (known.length === 0) return ''
    return inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false })
  }

  return {
    vocabSize,
    bosId: named('bos_token'),
    eosId: eosIds[0],
    eosIds,
    padId: named('pad_token'),
    unkId: named('unk_token'),
    specialIds,
    hasChatTemplate: files.chatTemplates.size > 0,
    chatTemplates: files.chatTemplates,
    encode(text, { addSpecialTokens = true } = {}) {
      const { ids } = inner.encode(text, { add_special_tokens: addSpecialTokens })
      if (!ids.every(Number.isInteger)) {
        throw new TrituneError('E_TOKENIZER', 'the text has characters that the vocabulary lacks', {
          place: files.place,
          remedy: 'the tokenizer has neither byte fallback nor an unknown token; check tokenizer.json',
        })
      }
      return ids
    },
    decode,
    tokenOf: (id) => inner.id_to_token(id),
    idOf: (token) => inner.token_to_id(token),
    createDecodeStream: (options = {}) => createDecodeStream((ids) => decode(ids, options)),
    renderChat: (messages, options) => render(messages, options).text,
    renderMarkedChat: render,
  }
}

const SPECIAL_KEYS = [
  'bos_token',
  'eos_token',
  'pad_token',
  'unk_token',
  'cls_token',
  'sep_token',
  'mask_token',
]

function createInner(files: TokenizerFiles): HfTokenizer {
  const { config, place, tokenizer } = files
  const vocab =
    isJson(tokenizer['model']) && isJson(tokenizer['model']['vocab']) ? tokenizer['model']['vocab'] : {}
  const added = new Map(addedTokens(files).map(({ content, id }) => [content, id]))
  const idOf = (token: string): number | undefined => {
    const id = added.get(token) ?? (Object.hasOwn(vocab, token) ? vocab[token] : undefined)
    return typeof id === 'number' ? id : undefined
  }
  const wanted = (flag: string, key: string): string | undefined =>
    config[flag] === true ? specialToken(config, key) : undefined
  const special = {
    bos: wanted('add_bos_token', 'bos_token'),
    eos: wanted('add_eos_token', 'eos_token'),
    idOf,
  }
  try {
    const inner = new HfTokenizer(compatibleTokenizer(tokenizer, special), { ...config })
    keepByteOrderMarks(inner.decoder)
    if (inner.model?.config.type === 'BPE') rememberWords(inner.model)
    return inner
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TrituneError('E_TOKENIZER', `the tokenizer cannot be used: ${reason}`, {
      place,
      remedy: 'tokenizer.json is damaged or has a part that is not supported',
      cause: error,
    })
  }
}

function addedTokens({
  tokenizer,
  place,
}: TokenizerFiles): { id: number; content: string; special: boolean }[] {
  const list = tokenizer['added_tokens'] ?? []
  const bad = (): TrituneError =>
    new TrituneError('E_FORMAT', '"added_tokens" is not a list of tokens', { place })
  if (!Array.isArray(list)) throw bad()
  return list.map((token: unknown) => {
    if (!isJson(token)) throw bad()
    const { id, content, special } = token
    if (typeof id !== 'number' || typeof content !== 'string') throw bad()
    return { id, content, special: special === true }
  })
}

function largestId(files: TokenizerFiles, part: 'vocab' | 'added'): number {
  let largest = -1
  if (part === 'added') {
    for (const { id } of addedTokens(files)) largest = Math.max(largest, id)
    return largest
  }
  const model = files.tokenizer['model']
  const vocab = isJson(model) ? model['vocab'] : undefined
  if (Array.isArray(vocab)) return vocab.length - 1
  if (!isJson(vocab)) return largest
  for (const id of Object.values(vocab)) if (typeof id === 'number' && id > largest) largest = id
  return largest
}

/** Special tokens are strings, or objects with a `content`. */
function specialToken(config: Json, key: string): string | undefined {
  const value = config[key]
  if (typeof value === 'string') return value
  return isJson(value) && typeof value['content'] === 'string' ? value['content'] : undefined
}

function specialTokenTexts(config: Json): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const key of SPECIAL_KEYS) {
    const text = specialToken(config, key)
    if (text !== undefined) texts[key] = text
  }
  return texts
}
