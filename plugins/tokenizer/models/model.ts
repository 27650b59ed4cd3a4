/**
 * A model: a piece of text to ids. The four kinds are the files beside this one.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface Model {
  readonly vocabulary: Vocabulary
  /** Adds the ids of `piece` to `ids`. */
  encode(piece: string, ids: number[]): void
}

/** A piece that the vocabulary has no way to write. */
export function unknownPiece(piece: string): TrituneError {
  const shown = piece.length > 40 ? `${piece.slice(0, 40)}…` : piece
  return new TrituneError('E_TOKENIZER', `the vocabulary cannot write ${JSON.stringify(shown)}`, {
    remedy: 'it has neither byte fallback nor an unknown token; check tokenizer.json',
  })
}
