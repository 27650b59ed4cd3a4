/**
 * Numbers of a fixed count of trits, stored with two bits a trit: 00 is 0, 01 is +1, 10 is −1, and 11 is no code. The lowest bits are
 * the lowest trit. Tryte3 takes six bits of a u8, Word6 twelve of a u16. Sums that leave the range carry, as in a chain of words.
 */
import { TrituneError } from '../../../core/mod.ts'
import { balanced, expectTrit, type Trit } from './trit.ts'

/** Arithmetic on codes of a fixed count of trits. A code is a number; E_VALUE for what is none. */
export interface TritWord {
  readonly name: string
  readonly trits: number
  /** The largest number; the smallest is its negative. */
  readonly max: number
  /** Throws E_VALUE unless n is a whole number from −max to max. */
  fromInteger(n: number): number
  toInteger(code: number): number
  /** Lowest trit first, exactly `trits` of them. */
  fromTrits(trits: ArrayLike<number>): number
  toTrits(code: number): Trit[]
  /** a + b + carry = value + 3^trits · carry of the result. */
  add(a: number, b: number, carry?: number): { readonly value: number; readonly carry: Trit }
  /** a − b − borrow = value − 3^trits · borrow of the result. */
  subtract(a: number, b: number, borrow?: number): { readonly value: number; readonly borrow: Trit }
  /** a · b = low + 3^trits · high. */
  multiply(a: number, b: number): { readonly low: number; readonly high: number }
  negate(code: number): number
  compare(a: number, b: number): -1 | 0 | 1
}

/**
 * Three trits: −13 to 13 in the low six bits of a u8.
 *
 * @example
 * ```ts
 * import { tryte3 } from 'tritune/plugins/ternary'
 *
 * const { value, carry } = tryte3.add(tryte3.fromInteger(13), tryte3.fromInteger(1))
 * console.log(tryte3.toInteger(value), carry) // → -13 1
 * ```
 */
export const tryte3: TritWord = /* @__PURE__ */ tritWord('Tryte3', 3)

/**
 * Six trits: −364 to 364 in the low twelve bits of a u16.
 *
 * @example
 * ```ts
 * import { word6 } from 'tritune/plugins/ternary'
 *
 * const { low, high } = word6.multiply(word6.fromInteger(300), word6.fromInteger(5))
 * console.log(word6.toInteger(low) + 729 * word6.toInteger(high)) // → 1500
 * ```
 */
export const word6: TritWord = /* @__PURE__ */ tritWord('Word6', 6)

function tritWord(name: string, trits: number): TritWord {
  const span = 3 ** trits
  const max = (span - 1) / 2

  function codeOf(n: number): number {
    let [code, rest] = [0, n]
    for (let i = 0; i < trits; i++) {
      const digit = balanced(rest % 3)
      code |= (digit === 1 ? 1 : digit === -1 ? 2 : 0) << (2 * i)
      rest = (rest - digit) / 3
    }
    return code
  }

  function toTrits(code: number): Trit[] {
    if (!(Number.isInteger(code) && code >= 0 && code < 4 ** trits))
      throw new TrituneError(
        'E_VALUE',
        `${name}: a code is a whole number below ${4 ** trits}, got ${String(code)}`,
      )
    return Array.from({ length: trits }, (_, i): Trit => {
      const pair = (code >> (2 * i)) & 3
      if (pair === 3)
        throw new TrituneError(
          'E_VALUE',
          `${name}: trit ${i} of code ${code} has the bits 11, which are no trit`,
        )
      return pair === 1 ? 1 : pair === 2 ? -1 : 0
    })
  }

  const toInteger = (code: number): number =>
    toTrits(code).reduceRight((sum: number, digit) => 3 * sum + digit, 0)

  /** A number that may leave the range, as a code and what the next word gets. */
  function split(n: number): { readonly value: number; readonly over: number } {
    const over = Math.round(n / span)
    return { value: codeOf(n - over * span), over }
  }

  return {
    name,
    trits,
    max,
    fromInteger(n) {
      if (!(Number.isInteger(n) && Math.abs(n) <= max))
        throw new TrituneError('E_VALUE', `${name}: a whole number from −${max} to ${max}, got ${String(n)}`)
      return codeOf(n)
    },
    toInteger,
    fromTrits(digits) {
      if (digits.length !== trits)
        throw new TrituneError('E_SHAPE', `${name} has ${trits} trits, got ${digits.length}`)
      let n = 0
      for (let i = trits - 1; i >= 0; i--) n = 3 * n + expectTrit(`${name} trit ${i}`, digits[i])
      return codeOf(n)
    },
    toTrits,
    add(a, b, carry = 0) {
      const { value, over } = split(toInteger(a) + toInteger(b) + expectTrit(`${name} carry`, carry))
      return { value, carry: balanced(over) }
    },
    subtract(a, b, borrow = 0) {
      const { value, over } = split(toInteger(a) - toInteger(b) - expectTrit(`${name} borrow`, borrow))
      return { value, borrow: balanced(-over) }
    },
    multiply(a, b) {
      const { value, over } = split(toInteger(a) * toInteger(b))
      return { low: value, high: codeOf(over) }
    },
    negate: (code) => codeOf(-toInteger(code)),
    compare(a, b) {
      const difference = toInteger(a) - toInteger(b)
      return difference > 0 ? 1 : difference < 0 ? -1 : 0
    },
  }
}
