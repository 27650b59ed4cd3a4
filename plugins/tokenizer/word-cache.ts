/**
 * Remembers how words were split. BPE splits each pre-token on its own, and texts repeat their words, so the second
 * occurrence costs one look-up. (The library has a cache of its own, which re-orders itself at every hit.)
 */

/** The part of the library's BPE model that is replaced. */
export interface WordEncoder {
  encode(words: string[]): string[]
}

/** Words remembered before the cache starts afresh: some tens of megabytes at most. */
const CAPACITY = 200_000

/** Puts a cache in front of `encode`; results stay the same. */
export function rememberWords(model: WordEncoder): void {
  const encodeOne = model.encode.bind(model)
  let known = new Map<string, readonly string[]>()
  model.encode = (words) => {
    const tokens: string[] = []
    for (const word of words) {
      let pieces = known.get(word)
      if (pieces === undefined) {
        pieces = encodeOne([word])
        if (known.size >= CAPACITY) known = new Map()
        known.set(word, pieces)
      }
      for (const piece of pieces) tokens.push(piece)
    }
    return tokens
  }
}
