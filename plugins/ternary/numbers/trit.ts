/**
 * One balanced ternary digit: −1, 0 or 1, and what a column of an adder, of a subtracter and of the algebra does with two of them.
 */
import { TrituneError } from '../../../core/mod.ts'

/** A balanced ternary digit. */
export type Trit = -1 | 0 | 1

/** Arithmetic of single trits; every function throws E_VALUE for a number that is no trit. */
export interface TritArithmetic {
  /** a + b + carry = sum + 3·carry of the result. */
  add(a: number, b: number, carry?: number): { readonly sum: Trit; readonly carry: Trit }
  /** a − b − borrow = difference − 3·borrow of the result. */
  subtract(a: number, b: number, borrow?: number): { readonly difference: Trit; readonly borrow: Trit }
  multiply(a: number, b: number): Trit
  negate(a: number): Trit
  /** (a − b) mod 3, balanced. */
  bind(a: number, b: number): Trit
  /** (x + b) mod 3, balanced: `unbind(bind(a, b), b)` is a. */
  unbind(x: number, b: number): Trit
  /** What both say, 0 where they differ. */
  consensus(a: number, b: number): Trit
}

/** Whether a value is −1, 0 or 1. */
export function isTrit(value: unknown): value is Trit {
  return value === 0 || value === 1 || value === -1
}

/** The value as a trit, −0 as 0. Throws E_VALUE, naming `subject`, for anything else. */
export function expectTrit(subject: string, value: number): Trit {
  if (value === 1 || value === -1) return value
  if (value === 0) return 0
  throw new TrituneError('E_VALUE', `${subject}: a trit is −1, 0 or 1, got ${String(value)}`)
}

/** A whole number from −4 to 4 modulo 3, balanced. */
export function balanced(sum: number): Trit {
  const trit = sum > 1 ? sum - 3 : sum < -1 ? sum + 3 : sum
  return trit === 1 ? 1 : trit === -1 ? -1 : 0
}

/**
 * Arithmetic of single trits.
 *
 * @example
 * ```ts
 * import { trit } from 'tritune/plugins/ternary'
 *
 * console.log(trit.add(1, 1)) // → { sum: -1, carry: 1 }
 * console.log(trit.unbind(trit.bind(-1, 1), 1)) // → -1
 * ```
 */
export const trit: TritArithmetic = {
  add(a, b, carry = 0) {
    const total = expectTrit('add', a) + expectTrit('add', b) + expectTrit('add carry', carry)
    return { sum: balanced(total), carry: carryOf(total) }
  },
  subtract(a, b, borrow = 0) {
    const total =
      expectTrit('subtract', a) - expectTrit('subtract', b) - expectTrit('subtract borrow', borrow)
    return { difference: balanced(total), borrow: carryOf(-total) }
  },
  multiply: (a, b) => balanced(expectTrit('multiply', a) * expectTrit('multiply', b)),
  negate: (a) => balanced(-expectTrit('negate', a)),
  bind: (a, b) => balanced(expectTrit('bind', a) - expectTrit('bind', b)),
  unbind: (x, b) => balanced(expectTrit('unbind', x) + expectTrit('unbind', b)),
  consensus: (a, b) => (expectTrit('consensus', a) === expectTrit('consensus', b) ? balanced(a) : 0),
}

/** What the next column gets of a sum from −3 to 3. */
function carryOf(total: number): Trit {
  return total > 1 ? 1 : total < -1 ? -1 : 0
}
