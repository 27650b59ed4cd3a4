/**
 * The text of single tokens, as it stands inside of a text: for lists of likely tokens.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'

/** A token for people and for programs. */
export interface TokenText {
  readonly text: string
  /** UTF-8, which need not be whole characters; null: it is special, or has none that stay the same. */
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
    const bytes = bytesOf(tokenizer, id)
    const made = { text, bytes: bytes === null ? null : [...bytes] }
    known.set(id, made)
    return made
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function bytesOf(tokenizer: Tokenizer, id: number): Uint8Array | null {
  try {
    return tokenizer.bytesOf(id)
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_TOKENIZER') return null
    throw error
  }
}
