/**
 * Where the tokens of a dataset are kept in memory: a few large arrays, so that a million examples are not two million of them. Tokens take
 * two bytes as long as their ids allow it.
 */
import { maskOf, StoredExample, type TokenArea } from '../types/stored-example.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'

/** Takes examples, and gives them back in the form in which they are kept. */
export interface ExampleStore {
  add(example: TokenizedExample): TokenizedExample
}

type Tokens = Uint16Array | Int32Array

/** Tokens of an array, where no example is longer. */
const ROOM = 2 ** 20
const SHORT = 0xffff

/** A store in memory. It is gone with its examples. */
export function createTokenStore(): ExampleStore {
  let tokens: Tokens = new Uint16Array(0)
  let used = 0
  let area: TokenArea = areaOf(tokens)
  return {
    add(example) {
      // Pairs and labels are kept as they are.
      if (example.documents || example.values || example.untrained !== undefined) return example
      const { ids, source } = example
      const isWide = tokens instanceof Uint16Array && ids.some((id) => id > SHORT)
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

function areaOf(tokens: Tokens): TokenArea {
  if (tokens instanceof Int32Array) return { read: (start, length) => tokens.subarray(start, start + length) }
  return { read: (start, length) => Int32Array.from(tokens.subarray(start, start + length)) }
}
