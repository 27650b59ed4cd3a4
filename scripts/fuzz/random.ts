/**
 * The dice of the fuzzers: every case has a seed of its own, so that one number brings a finding back.
 */
import { createRandom, type Random } from '../../core/mod.ts'

export interface Dice extends Random {
  /** True in a share p of the throws. */
  chance(p: number): boolean
  pick<T>(items: readonly T[]): T
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
}

export function createDice(seed: number): Dice {
  const random = createRandom(seed, 'fuzz')
  return {
    ...random,
    chance: (p) => random.float() < p,
    pick: (items) => items[random.int(items.length)],
    between: (least, most) => least + random.int(most - least + 1),
  }
}

/** Numbers that programs forget. */
export const HOSTILE_NUMBERS: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  -0,
  0,
  1,
  2,
  1.5,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 53,
  2 ** 62,
  -(2 ** 31) - 1,
  -(2 ** 62),
  1e-40,
  1e39,
  1e300,
]
