/**
 * Where the tokens of a dataset are kept in memory: a few large arrays, so that a million examples are not two million of them. Tokens take
 * two bytes as long as their ids allow it.
 */
import {
  areaOf,
  isPlain,
  maskOf,
  SHORT_ID,
  StoredExample,
  type TokenArea,
  type Tokens,
} from '../types/stored-example.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'

/** Takes examples, and gives them back in the form in which they are kept. */
export interface ExampleStore {
  add(example: TokenizedExample): TokenizedExample
}

/** Tokens of an array, where no example is longer. */
const ROOM = 2 ** 20

/** A store in memory. It is gone with its examples. */
export function createTokenStore(): ExampleStore {
  let tokens: Tokens = new Uint16Array(0)
  let used = 0
  let area: TokenArea = areaOf(tokens)
  return {
    add(example) {
      if (example instanceof StoredExample || !isPlain(example)) return example
      const { ids, source } = example
      const isWide = tokens instanceof Uint16Array && ids.some((id) => id > SHORT_ID)
      if (isWide || used + ids.length > tokens.length) {
        const room = Math.max(ROOM, ids.length)
        tokens = isWide || tokens instanceof Int32Array ? new Int32Array(room) : new Uint16Array(room)
        area = areaOf(tokens)
        used = 0
      }
      tokens.set(ids, used)
      used += ids.length
      return new StoredExample(area, used - ids.length, ids.length, maskOf(example), source)
    },
  }
}
