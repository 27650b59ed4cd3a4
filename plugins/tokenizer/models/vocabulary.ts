/**
 * The tokens of a model: text to id and back.
 */
import { isJson } from '../parsed-files.ts'
import type { Part } from '../part.ts'

export interface Vocabulary {
  /** How many tokens there are; further ones get ids from here on. */
  readonly size: number
  readonly ids: ReadonlyMap<string, number>
  tokenOf(id: number): string | undefined
}

/** `vocab` as a mapping from tokens to ids. */
export function readVocabulary(part: Part): Vocabulary {
  const vocab = part.get('vocab')
  if (!isJson(vocab)) throw part.wrong('vocab', 'a mapping from tokens to ids')
  const ids = new Map<string, number>()
  for (const token of Object.keys(vocab)) {
    const id = vocab[token]
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 31)
      throw part.error(`expected the id of ${JSON.stringify(token)} in "vocab" to be an integer of 0 or more`)
    ids.set(token, id)
  }
  return vocabularyOf(ids)
}

export function vocabularyOf(ids: ReadonlyMap<string, number>): Vocabulary {
  // Made when the first id is turned into text.
  let tokens: Map<number, string> | undefined
  const reversed = (): Map<number, string> => {
    const map = new Map<number, string>()
    for (const [token, id] of ids) map.set(id, token)
    return map
  }
  return { size: ids.size, ids, tokenOf: (id) => (tokens ??= reversed()).get(id) }
}

/** The ids of the tokens `<0x00>` to `<0xFF>` for the bytes of `text`, or undefined when one is not there. */
export function byteIds(text: string, byteTokens: readonly (number | undefined)[]): number[] | undefined {
  const ids: number[] = []
  for (const byte of ENCODER.encode(text)) {
    const id = byteTokens[byte]
    if (id === undefined) return undefined
    ids.push(id)
  }
  return ids
}

export function byteTokensOf(ids: ReadonlyMap<string, number>): (number | undefined)[] {
  return Array.from({ length: 256 }, (_, byte) =>
    ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  )
}

const ENCODER = new TextEncoder()
