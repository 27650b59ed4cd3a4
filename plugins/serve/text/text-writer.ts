/**
 * Tokens of one text to what is sent of it: whole characters, nothing of a stop text, and each piece with its tokens.
 */
import { type StepLogprobs, watchForStops } from '../../generate/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'

/** A token that was made, for lists of how likely each was. */
export interface WrittenToken {
  readonly id: number
  readonly logprobs: StepLogprobs | null
}

/** What can be sent. The text of the last tokens may still be held back. */
export interface WrittenPiece {
  readonly text: string
  readonly tokens: readonly WrittenToken[]
}

export interface TextWriter {
  /** The stop text that ended it; null: none. */
  readonly stopped: string | null
  /** What can be sent after one more token. */
  push(token: WrittenToken): WrittenPiece
  /** The rest, when no token comes any more. */
  end(): WrittenPiece
}

export interface TextWriterOptions {
  readonly stops: readonly string[]
  /** Special tokens whose text is kept, such as one that opens the call of a tool. */
  readonly kept: readonly string[]
}

/** Special tokens have no text, but those that are kept. */
export function createTextWriter(tokenizer: Tokenizer, { stops, kept }: TextWriterOptions): TextWriter {
  const watch = watchForStops(stops)
  const spelled = new Map(
    kept.flatMap((token) => {
      const id = tokenizer.idOf(token)
      return id !== undefined && tokenizer.specialIds.has(id) ? [[id, token] as const] : []
    }),
  )
  let decoder = tokenizer.createDecodeStream({ skipSpecialTokens: true })
  const textOf = (id: number): string => {
    const token = spelled.get(id)
    if (token === undefined) return decoder.push(id)
    const before = decoder.end()
    decoder = tokenizer.createDecodeStream({ skipSpecialTokens: true })
    return before + token
  }
  return {
    get stopped() {
      return watch.found
    },
    push(token) {
      const text = watch.push(textOf(token.id))
      return { text, tokens: [token] }
    },
    end() {
      const text = watch.push(decoder.end())
      return { text: text + watch.end(), tokens: [] }
    },
  }
}
