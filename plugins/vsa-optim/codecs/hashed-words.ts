/**
 * Random words that are looked up and not drawn: Philox4x32-10 of (seed, purpose, round, block, position). Nothing is stored, and both ends of a
 * message have the same.
 */
import { philox4x32 } from '../../../core/mod.ts'

/** What the words of a place are for: no two purposes share words. */
const PURPOSES = { signs: 1, window: 2, rounding: 3 } as const

/** Where words are looked up. Rounds count from 0, blocks of one gradient too. */
export interface WordPlace {
  readonly seed: number
  readonly purpose: keyof typeof PURPOSES
  readonly round: number
  readonly block: number
}

/** The first `count` u32 of a place. */
export function hashedWords({ seed, purpose, round, block }: WordPlace, count: number): Uint32Array {
  const words = new Uint32Array(count)
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const
  const four = new Uint32Array(4)
  for (let i = 0; i < count; i += 4) {
    philox4x32(key, [i / 4, block, round, PURPOSES[purpose]], four)
    const end = Math.min(4, count - i)
    for (let k = 0; k < end; k++) words[i + k] = four[k]
  }
  return words
}
