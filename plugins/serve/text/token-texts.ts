/**
 * The text of single tokens, as it stands inside of a text: for lists of likely tokens.
 */
import type { Tokenizer } from '../../tokenizer/mod.ts'

/** A token for people: its text, and the bytes where the text is whole characters. */
export interface TokenText {
  readonly text: string
  /** UTF-8; null: the token is a part of a character. */
  readonly bytes: readonly number[] | null
}

/** Kept for each token that was asked for once. */
export function createTokenTexts(tokenizer: Tokenizer): (id: number) => TokenText {
  const known = new Map<number, TokenText>()
  return (id) => {
    const found = known.get(id)
    if (found) return found
    // The second of two, as decoders leave out a blank at the beginning of a text.
    const once = tokenizer.decode([id])
    const text = tokenizer.decode([id, id]).slice(once.length) || once
    const made = { text, bytes: text.includes('\uFFFD') ? null : [...Buffer.from(text)] }
    known.set(id, made)
    return made
  }
}
