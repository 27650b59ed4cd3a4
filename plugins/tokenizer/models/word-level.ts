/** Every piece is one token, or the unknown one. */
import type { Part } from '../part.ts'
import type { Model } from './model.ts'
import { unknownPiece } from './model.ts'
import { readVocabulary } from './vocabulary.ts'

export function wordLevel(part: Part): Model {
  const vocabulary = readVocabulary(part)
  const unknown = vocabulary.ids.get(part.text('unk_token'))
  return {
    vocabulary,
    encode(piece, ids) {
      const id = vocabulary.ids.get(piece) ?? unknown
      if (id === undefined) throw unknownPiece(piece)
      ids.push(id)
    },
  }
}
