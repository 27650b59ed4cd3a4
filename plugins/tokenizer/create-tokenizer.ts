/**
 * Text to token ids and back, exactly as the Hugging Face fast tokenizer of the model does, and chat messages to text.
 * Puts the pipeline of tokenizer.json (`pipeline.ts`), the settings of tokenizer_config.json, streams and chat templates
 * together; it trains nothing and gives no offsets.
 */

import type { ChatMessage, RenderedChat, RenderOptions } from './chat.ts'
import { createChatRenderer } from './chat.ts'
import { decidesEnds, SPECIAL_KEYS, specialToken, withConfigTokens } from './config-tokens.ts'
import { tokenBytes } from './token-bytes.ts'
import type { Json, TokenizerFiles } from './parsed-files.ts'
import { createPipeline } from './pipeline.ts'
import { aroundText } from './post-processors.ts'
import type { DecodeStream } from './stream.ts'
import { createDecodeStream } from './stream.ts'

/** Text to ids and back, and messages to text, as the Hugging Face fast tokenizer of the model does it. */
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
  /**
   * What the token adds to a text that it continues, in bytes, which need not be whole characters; null: it is special, or there is none.
   * @throws E_TOKENIZER when tokens of this tokenizer change what stands before them
   */
  bytesOf(id: number): Uint8Array | null
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
 * A tokenizer from its files, which somebody has read.
 * @throws E_TOKENIZER when it cannot be used, E_FORMAT for damaged files
 */
export function createTokenizer({ config, place, ...files }: TokenizerFiles): Tokenizer {
  const jsonPlace = place.endsWith('.gguf') ? place : `${place.replace(/\/$/, '')}/tokenizer.json`
  const pipeline = createPipeline(withConfigTokens(files.tokenizer, config, jsonPlace), jsonPlace)
  const named = (key: string): number | undefined => {
    const token = specialToken(config, key)
    return token === undefined ? undefined : pipeline.idOf(token)
  }
  const namedIds = SPECIAL_KEYS.map(named).filter((id) => id !== undefined)
  const specialIds = new Set([...pipeline.specialIds, ...namedIds])
  const hiddenIds = new Set([...pipeline.hiddenIds, ...namedIds])
  const ownEos = named('eos_token')
  const render = createChatRenderer(place, files.chatTemplates, specialTokenTexts(config))
  const eosIds = [...new Set([...(ownEos === undefined ? [] : [ownEos]), ...files.stopIds])]
  const around = decidesEnds(config)
    ? aroundText(
        config['add_bos_token'] === true ? named('bos_token') : undefined,
        config['add_eos_token'] === true ? named('eos_token') : undefined,
      )
    : undefined

  const spelling =
    ({ skipSpecialTokens = false }: { skipSpecialTokens?: boolean }) =>
    (id: number): string | undefined =>
      skipSpecialTokens && hiddenIds.has(id) ? undefined : pipeline.spellingOf(id)

  return {
    vocabSize: pipeline.vocabSize,
    bosId: named('bos_token'),
    eosId: eosIds[0],
    eosIds,
    padId: named('pad_token'),
    unkId: named('unk_token'),
    specialIds,
    hasChatTemplate: files.chatTemplates.size > 0,
    chatTemplates: files.chatTemplates,
    encode(text, { addSpecialTokens = true } = {}) {
      const ids = pipeline.encode(text)
      if (!addSpecialTokens) return ids
      return around ? around([ids]).flat() : pipeline.postProcess(ids)
    },
    decode(ids, options = {}) {
      const tokens = Array.from(ids, spelling(options)).filter((token) => token !== undefined)
      return tokens.length === 0 ? '' : pipeline.decoder.chain(tokens).join('')
    },
    tokenOf: (id) => pipeline.tokenOf(id),
    idOf: (token) => pipeline.idOf(token),
    bytesOf(id) {
      const token = hiddenIds.has(id) ? undefined : pipeline.spellingOf(id)
      return token === undefined ? null : tokenBytes(pipeline.decoder, token, place)
    },
    createDecodeStream: (options = {}) => createDecodeStream(pipeline.decoder, spelling(options)),
    renderChat: (messages, options) => render(messages, options).text,
    renderMarkedChat: render,
  }
}

function specialTokenTexts(config: Json): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const key of SPECIAL_KEYS) {
    const text = specialToken(config, key)
    if (text !== undefined) texts[key] = text
  }
  return texts
}
