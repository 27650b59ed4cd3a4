/**
 * Balanced ternary numbers against integer arithmetic: every pair of trits and trytes, words and big numbers at random.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import { balancedTernary, expectTrit, isTrit, trit, tryte3, word6 } from '../../../plugins/ternary/mod.ts'
import { thrown } from './_thrown.ts'

const TRITS = [-1, 0, 1] as const

describe('trit', () => {
  test('add() and subtract() keep the sum, with what is carried', () => {
    for (const a of TRITS)
      for (const b of TRITS)
        for (const c of TRITS) {
          const { sum, carry } = trit.add(a, b, c)
          expect(sum + 3 * carry).toBe(a + b + c)
          const { difference, borrow } = trit.subtract(a, b, c)
          expect(difference - 3 * borrow).toBe(a - b - c)
          expect([sum, carry, difference, borrow].every(isTrit)).toBe(true)
        }
  })

  test('bind() is subtraction modulo 3, unbind() takes it back', () => {
    for (const a of TRITS)
      for (const b of TRITS) {
        expect((trit.bind(a, b) - (a - b) + 6) % 3).toBe(0)
        expect(trit.unbind(trit.bind(a, b), b)).toBe(a)
        expect(trit.bind(a, trit.bind(a, b))).toBe(b)
        expect(trit.multiply(a, b)).toBe(expectTrit('', a * b))
        expect(trit.consensus(a, b)).toBe(a === b ? a : 0)
      }
    expect(TRITS.map((a) => trit.negate(a))).toEqual([1, 0, -1])
  })

  test.each([2, 0.5, NaN, -2])('%p is no trit', (value) => {
    expect(isTrit(value)).toBe(false)
    for (const work of [
      () => trit.add(value, 0),
      () => trit.add(0, 1, value),
      () => trit.bind(0, value),
      () => trit.negate(value),
    ])
      expect(thrown(work)).toMatchObject({ code: 'E_VALUE', what: expect.stringContaining(String(value)) })
  })
})

describe.each([tryte3, word6])('$name', (word) => {
  const span = 3 ** word.trits
  const random = createRandom(7, word.name)
  const numbers =
    word === tryte3
      ? Array.from({ length: span }, (_, i) => i - word.max)
      : [-word.max, -1, 0, 1, word.max, ...Array.from({ length: 40 }, () => random.int(span) - word.max)]

  test('goes from integers to codes and trits and back', () => {
    const seen = new Set<number>()
    for (let n = -word.max; n <= word.max; n++) {
      const code = word.fromInteger(n)
      seen.add(code)
      expect(word.toInteger(code)).toBe(n)
      expect(word.fromTrits(word.toTrits(code))).toBe(code)
      expect(word.toTrits(code).reduceRight((sum: number, digit) => 3 * sum + digit, 0)).toBe(n)
    }
    expect(seen.size).toBe(span)
    expect(Math.max(...seen)).toBeLessThan(4 ** word.trits)
  })

  test('adds, subtracts and multiplies with what does not fit', () => {
    for (const a of numbers)
      for (const b of numbers)
        for (const c of TRITS) {
          const [x, y] = [word.fromInteger(a), word.fromInteger(b)]
          const sum = word.add(x, y, c)
          expect(word.toInteger(sum.value) + span * sum.carry).toBe(a + b + c)
          const difference = word.subtract(x, y, c)
          expect(word.toInteger(difference.value) - span * difference.borrow).toBe(a - b - c)
          const { low, high } = word.multiply(x, y)
          expect(word.toInteger(low) + span * word.toInteger(high)).toBe(a * b + 0)
          expect(word.compare(x, y)).toBe(a > b ? 1 : a < b ? -1 : 0)
        }
    for (const n of numbers) expect(word.toInteger(word.negate(word.fromInteger(n)))).toBe(n === 0 ? 0 : -n)
  })

  test('refuses what is no number of its range and no code', () => {
    for (const n of [word.max + 1, -word.max - 1, 0.5, NaN])
      expect(thrown(() => word.fromInteger(n))).toMatchObject({ code: 'E_VALUE' })
    for (const code of [-1, 4 ** word.trits, 1.5])
      expect(thrown(() => word.toInteger(code))).toMatchObject({ code: 'E_VALUE' })
    expect(thrown(() => word.toInteger(0b001100))).toMatchObject({
      code: 'E_VALUE',
      what: `${word.name}: trit 1 of code 12 has the bits 11, which are no trit`,
    })
    expect(thrown(() => word.negate(3))).toMatchObject({ what: expect.stringContaining('trit 0') })
    expect(thrown(() => word.fromTrits([1]))).toMatchObject({ code: 'E_SHAPE' })
    const digits = Array.from({ length: word.trits }, () => 0).with(2, 2)
    expect(thrown(() => word.fromTrits(digits))).toMatchObject({
      code: 'E_VALUE',
      what: expect.stringContaining('trit 2'),
    })
  })
})

describe('balancedTernary', () => {
  const random = createRandom(3, 'big')
  const bigs = Array.from({ length: 14 }, (_, i) => {
    let n = 0n
    for (let word = 0; word < i; word++) n = (n << 32n) + BigInt(random.uint32())
    return i % 2 === 0 ? n : -n
  })

  test('has the digits that are known', () => {
    expect([...balancedTernary.fromInteger(0)]).toEqual([0])
    expect([...balancedTernary.fromInteger(-2)]).toEqual([1, -1])
    expect([...balancedTernary.fromInteger(8)]).toEqual([-1, 0, 1])
  })

  test('is the arithmetic of bigints', () => {
    for (const a of bigs) {
      expect(balancedTernary.toInteger(balancedTernary.fromInteger(a))).toBe(a)
      for (const b of bigs.slice(0, 8)) {
        const [x, y] = [balancedTernary.fromInteger(a), balancedTernary.fromInteger(b)]
        expect(balancedTernary.add(x, y)).toEqual(balancedTernary.fromInteger(a + b))
        expect(balancedTernary.subtract(x, y)).toEqual(balancedTernary.fromInteger(a - b))
        expect(balancedTernary.multiply(x, y)).toEqual(balancedTernary.fromInteger(a * b))
        expect(balancedTernary.negate(x)).toEqual(balancedTernary.fromInteger(-a))
        expect(balancedTernary.compare(x, y)).toBe(a > b ? 1 : a < b ? -1 : 0)
      }
    }
  })

  test('takes lists that are not the shortest, and empty ones', () => {
    expect([...balancedTernary.add([1, 0, 0], [])]).toEqual([1])
    expect(balancedTernary.toInteger([])).toBe(0n)
    expect([...balancedTernary.multiply([], [1])]).toEqual([0])
    expect(balancedTernary.compare([0, 0], [])).toBe(0)
  })

  test('refuses fractions, unsafe numbers and digits that are none', () => {
    for (const n of [0.5, NaN, 2 ** 53])
      expect(thrown(() => balancedTernary.fromInteger(n))).toMatchObject({ code: 'E_VALUE' })
    for (const work of [
      () => balancedTernary.toInteger([0, 3]),
      () => balancedTernary.add([0, 3], [1]),
      () => balancedTernary.multiply([1], [0, 3]),
    ])
      expect(thrown(work)).toMatchObject({ code: 'E_VALUE', what: expect.stringContaining('3') })
  })
})
