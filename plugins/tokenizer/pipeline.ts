/**
 * tokenizer.json as something that runs: text → added tokens → normaliser → pieces → model → special tokens, and back.
 * It computes what the Rust library computes (https://github.com/huggingface/tokenizers). `truncation` and `padding` are
 * left aside, as transformers does when it is not asked for them; there are no offsets and no pairs.
 */
import { TrituneError } from '../../core/mod.ts'
import { createAddedTokens } from './added-tokens.ts'
import { createDecoder, type Decoder, WORDS } from './decoders.ts'
import { createModel } from './models/create-model.ts'
import { createNormalizer } from './normalizers.ts'
import { createPart, type Part } from './part.ts'
import { createPostProcessor, type PostProcessor } from './post-processors.ts'
import { createPreTokenizer, wholePiece } from './pre-tokenizers.ts'

export interface Pipeline {
  /** One more than the largest id. */
  readonly vocabSize: number
  readonly decoder: Decoder
  /** Ids of added tokens that are special. */
  readonly specialIds: readonly number[]
  /** Ids that a decode without special tokens leaves out: added tokens that decoders see spelled as a special one. */
  readonly hiddenIds: readonly number[]
  /** The ids of the text alone. */
  encode(text: string): number[]
  /** Adds the special tokens of the post-processor. */
  postProcess(ids: readonly number[]): number[]
  /** The token as the vocabulary spells it. */
  tokenOf(id: number): string | undefined
  /** The token as decoders take it. */
  spellingOf(id: number): string | undefined
  idOf(token: string): number | undefined
}

/** `place` is for messages. Throws E_TOKENIZER with the place of what cannot be used. */
export function createPipeline(json: unknown, place: string): Pipeline {
  const file = createPart(json, `${place}:`)
  const optional = <T>(key: string, make: (part: Part) => T): T | null =>
    (file.get(key) ?? null) === null ? null : make(file.part(key))
  const model = createModel(file.part('model'))
  const { vocabulary } = model
  const normalizer = optional('normalizer', createNormalizer)
  const preTokenizer = optional('pre_tokenizer', createPreTokenizer)
  const postProcessor: PostProcessor | null = optional('post_processor', createPostProcessor)
  const decoder = optional('decoder', createDecoder) ?? WORDS
  const added = createAddedTokens(file, vocabulary, normalizer)

  let largest = -1
  for (const id of vocabulary.ids.values()) largest = Math.max(largest, id)
  for (const id of added.byId.keys()) largest = Math.max(largest, id)

  const tokens = [...added.byId.values()]
  const specialContents = new Set(tokens.flatMap(({ content, special }) => (special ? [content] : [])))

  return {
    vocabSize: largest + 1,
    decoder,
    specialIds: tokens.flatMap(({ id, special }) => (special ? [id] : [])),
    hiddenIds: tokens.flatMap(({ id, spelling }) => (specialContents.has(spelling) ? [id] : [])),
    encode(text) {
      if (!text.isWellFormed()) throw halfCharacter(text, place)
      const ids: number[] = []
      for (const stretch of added.split(text)) {
        if (typeof stretch === 'number') ids.push(stretch)
        else {
          const whole = wholePiece(stretch)
          const { texts } = preTokenizer ? preTokenizer(whole) : whole
          for (const piece of texts) model.encode(piece, ids)
        }
      }
      return ids
    },
    postProcess: (ids) => (postProcessor ? postProcessor([ids]).flat() : [...ids]),
    tokenOf: (id) => added.byId.get(id)?.content ?? vocabulary.tokenOf(id),
    spellingOf: (id) => added.byId.get(id)?.spelling ?? vocabulary.tokenOf(id),
    idOf: (token) => added.byContent.get(token)?.id ?? vocabulary.ids.get(token),
  }
}

function halfCharacter(text: string, place: string): TrituneError {
  const at = text
    .toWellFormed()
    .split('')
    .findIndex((unit, i) => unit !== text[i])
  return new TrituneError(
    'E_TOKENIZER',
    `the text has half a character (a lone surrogate, U+${text.charCodeAt(at).toString(16).toUpperCase()}) at position ${at}`,
    { place, remedy: 'correct the text: it cannot be written as UTF-8' },
  )
}
