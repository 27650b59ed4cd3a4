/**
 * BERT's WordPiece: the longest token that fits, again and again; a piece that cannot be written to its end is unknown.
 */
import type { Part } from '../part.ts'
import type { Model } from './model.ts'
import { unknownPiece } from './model.ts'
import { readVocabulary } from './vocabulary.ts'

export function wordPiece(part: Part): Model {
  const vocabulary = readVocabulary(part)
  const { ids: known } = vocabulary
  const unknown = known.get(part.text('unk_token'))
  const prefix = part.text('continuing_subword_prefix', '##')
  const limit = part.integer('max_input_chars_per_word', 100)
  let longest = 0
  for (const token of known.keys()) longest = Math.max(longest, token.length)

  function write(piece: string): number[] | undefined {
    const written: number[] = []
    for (let start = 0; start < piece.length;) {
      let end = Math.min(piece.length, start + longest)
      let id: number | undefined
      for (; end > start; end--) {
        const text = piece.slice(start, end)
        id = known.get(start > 0 ? prefix + text : text)
        if (id !== undefined) break
      }
      if (id === undefined) return undefined
      written.push(id)
      start = end
    }
    return written
  }
  return {
    vocabulary,
    encode(piece, ids) {
      const written = isLongerThan(piece, limit) ? undefined : write(piece)
      if (written) for (const id of written) ids.push(id)
      else if (unknown === undefined) throw unknownPiece(piece)
      else ids.push(unknown)
    },
  }
}

function isLongerThan(piece: string, limit: number): boolean {
  if (piece.length <= limit) return false
  let count = 0
  for (const _ of piece) count++
  return count > limit
}
