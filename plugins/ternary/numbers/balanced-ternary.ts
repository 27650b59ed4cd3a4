/**
 * Whole numbers of any size as lists of trits, lowest first (Knuth, TAOCP 2, 4.1). Lists need not be in their shortest form; results
 * are, with one trit for 0. Digit by digit, with carries: for arithmetic that is looked at, not for speed.
 */
import { TrituneError } from '../../../core/mod.ts'
import { balanced, expectTrit, trit, type Trit } from './trit.ts'

/** Arithmetic on lists of trits, lowest first. E_VALUE for an entry that is no trit. */
export interface BalancedTernary {
  /** Throws E_VALUE for a number with a fraction, or one above 2⁵³, which a bigint has to be. */
  fromInteger(n: number | bigint): Int8Array<ArrayBuffer>
  toInteger(trits: ArrayLike<number>): bigint
  add(a: ArrayLike<number>, b: ArrayLike<number>): Int8Array<ArrayBuffer>
  subtract(a: ArrayLike<number>, b: ArrayLike<number>): Int8Array<ArrayBuffer>
  multiply(a: ArrayLike<number>, b: ArrayLike<number>): Int8Array<ArrayBuffer>
  negate(a: ArrayLike<number>): Int8Array<ArrayBuffer>
  compare(a: ArrayLike<number>, b: ArrayLike<number>): -1 | 0 | 1
}

/**
 * Whole numbers of any size as lists of trits, lowest first.
 *
 * @example
 * ```ts
 * import { balancedTernary } from 'tritune/plugins/ternary'
 *
 * const five = balancedTernary.fromInteger(5)
 * console.log([...five]) // → [ -1, -1, 1 ]
 * console.log(balancedTernary.toInteger(balancedTernary.multiply(five, five))) // → 25n
 * ```
 */
export const balancedTernary: BalancedTernary = {
  fromInteger(n) {
    if (typeof n === 'number' && !Number.isSafeInteger(n))
      throw new TrituneError('E_VALUE', `balanced ternary is of whole numbers, got ${n}`, {
        remedy: 'above 2⁵³ give a bigint',
      })
    const digits: Trit[] = []
    for (let rest = BigInt(n); rest !== 0n;) {
      const digit = balanced(Number(rest % 3n))
      digits.push(digit)
      rest = (rest - BigInt(digit)) / 3n
    }
    return shortest(digits)
  },
  toInteger(trits) {
    let n = 0n
    for (let i = trits.length - 1; i >= 0; i--) n = 3n * n + BigInt(expectTrit(`trit ${i}`, trits[i]))
    return n
  },
  add,
  subtract: (a, b) => add(a, negate(b)),
  multiply(a, b) {
    let sum = shortest([])
    for (let i = 0; i < a.length; i++) {
      const digit = expectTrit(`trit ${i}`, a[i])
      if (digit === 0) continue
      const shifted = new Int8Array(i + b.length)
      shifted.set(digit === 1 ? Array.from(b) : negate(b), i)
      sum = add(sum, shifted)
    }
    return sum
  },
  negate,
  compare(a, b) {
    const difference = add(a, negate(b))
    return balanced(difference[difference.length - 1])
  },
}

function add(a: ArrayLike<number>, b: ArrayLike<number>): Int8Array<ArrayBuffer> {
  const digits: Trit[] = []
  let carry: Trit = 0
  for (let i = 0; i < Math.max(a.length, b.length) || carry !== 0; i++) {
    const column = trit.add(i < a.length ? a[i] : 0, i < b.length ? b[i] : 0, carry)
    digits.push(column.sum)
    carry = column.carry
  }
  return shortest(digits)
}

function negate(a: ArrayLike<number>): Int8Array<ArrayBuffer> {
  return shortest(Array.from(a, (digit) => trit.negate(digit)))
}

function shortest(digits: readonly Trit[]): Int8Array<ArrayBuffer> {
  const length = digits.findLastIndex((digit) => digit !== 0) + 1
  return length === 0 ? Int8Array.of(0) : Int8Array.from(digits.slice(0, length))
}
