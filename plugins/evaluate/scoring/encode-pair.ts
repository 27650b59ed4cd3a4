/**
 * A context and its continuation as tokens, as lm-evaluation-harness splits them: white space at the end of the context belongs to the
 * continuation, both are encoded together, and what is left of that behind the context is the continuation.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'
import { trailingSpace } from '../python-text.ts'

/** What of a tokenizer is needed here. */
export type Encoder = Pick<Tokenizer, 'encode' | 'decode' | 'bosId' | 'eosId'>

/** Tokens of a context, of which there is at least one, and of what follows. */
export interface EncodedPair {
  readonly context: readonly number[]
  readonly continuation: readonly number[]
  /** For errors: where it is from. */
  readonly place?: string
}

/** The token that a text without a context follows: BOS, or EOS where there is none. E_TOKENIZER when there is neither. */
export function prefixId({ bosId, eosId }: Encoder): number {
  const id = bosId ?? eosId
  if (id !== undefined) return id
  throw new TrituneError(
    'E_TOKENIZER',
    'the tokenizer has neither a BOS nor an EOS token to start a text with',
  )
}

/** Ids of a text, with BOS where the model was trained so and the text does not begin with it already. */
export function encodeText(tokenizer: Encoder, text: string): number[] {
  const { bosId, eosId } = tokenizer
  const id = bosId ?? eosId
  const opening = id === undefined ? '' : tokenizer.decode([id])
  return tokenizer.encode(text, { addSpecialTokens: opening === '' || !text.startsWith(opening) })
}

/** The tokens of both. E_DATA for a continuation without tokens. */
export function encodePair(
  tokenizer: Encoder,
  context: string,
  continuation: string,
  place: string,
): EncodedPair {
  const pair = context === '' ? alone(tokenizer, continuation) : following(tokenizer, context, continuation)
  if (pair.continuation.length > 0) return { ...pair, place }
  throw new TrituneError(
    'E_DATA',
    `nothing of "${continuation}" is left behind its context: it makes no token of its own`,
    {
      place,
      remedy: 'give each answer some text',
    },
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function alone(tokenizer: Encoder, text: string): EncodedPair {
  const ids = tokenizer.encode(text, { addSpecialTokens: false })
  const prefix = prefixId(tokenizer)
  return ids[0] === prefix
    ? { context: ids.slice(0, 1), continuation: ids.slice(1) }
    : { context: [prefix], continuation: ids }
}

function following(tokenizer: Encoder, context: string, continuation: string): EncodedPair {
  const space = trailingSpace(context)
  const before = context.slice(0, context.length - space.length)
  if (before === '') return alone(tokenizer, context + continuation)
  const all = encodeText(tokenizer, context + continuation)
  const { length } = encodeText(tokenizer, before)
  return { context: all.slice(0, length), continuation: all.slice(length) }
}
