/**
 * `model` of tokenizer.json.
 */
import { type Part, byType } from '../part.ts'
import { bpe } from './bpe.ts'
import type { Model } from './model.ts'
import { unigram } from './unigram.ts'
import { wordLevel } from './word-level.ts'
import { wordPiece } from './word-piece.ts'

export function createModel(part: Part): Model {
  return part.type === ''
    ? untyped(part)
    : byType(part, { BPE: bpe, Unigram: unigram, WordLevel: wordLevel, WordPiece: wordPiece })
}

/** Old files do not name the kind. */
function untyped(part: Part): Model {
  if (part.get('merges') !== undefined) return bpe(part)
  if (Array.isArray(part.get('vocab'))) return unigram(part)
  return part.get('max_input_chars_per_word') === undefined ? wordLevel(part) : wordPiece(part)
}
