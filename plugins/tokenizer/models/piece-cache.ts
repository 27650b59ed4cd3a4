/**
 * Remembers how pieces were split: texts repeat their words, so the second occurrence costs one look-up.
 */

/** Pieces remembered before the cache starts afresh: some ten megabytes in each thread. */
const CAPACITY = 65_536
/** Longer ones hardly repeat. */
const LONGEST = 256

export function rememberPieces(encode: (piece: string) => number[]): (piece: string) => readonly number[] {
  let known = new Map<string, readonly number[]>()
  return (piece) => {
    const found = known.get(piece)
    if (found) return found
    const ids = encode(piece)
    if (piece.length > LONGEST) return ids
    if (known.size >= CAPACITY) known = new Map()
    known.set(piece, ids)
    return ids
  }
}
