/**
 * Encoders and the resonator: that what should be alike is, and what should be found is found.
 */
import { describe, expect, test } from 'bun:test'
import {
  encodeNgram,
  encodeRecord,
  encodeSequence,
  factorize,
  fillerOf,
  levelEncoder,
  packedTrits,
  symbolEncoder,
} from '../../../plugins/ternary/mod.ts'
import { thrown } from './_thrown.ts'

const DIMS = 10_000
const LIMIT = 4 / Math.sqrt(DIMS)
const { cosine, equals, bind, unbind, permute } = packedTrits
const { encode } = symbolEncoder({ dims: DIMS, seed: 1 })

describe('symbolEncoder()', () => {
  test('gives the same vector for the same symbol and seed, also in another encoder', () => {
    expect(encode('a')).toBe(encode('a'))
    expect(equals(symbolEncoder({ dims: DIMS, seed: 1 }).encode('a'), encode('a'))).toBe(true)
    expect(equals(symbolEncoder({ dims: DIMS, seed: 2 }).encode('a'), encode('a'))).toBe(false)
    const { zero } = packedTrits.counts(symbolEncoder({ dims: DIMS, seed: 1, density: 1 }).encode('a'))
    expect(zero).toBe(0)
  })

  test('symbols are not alike', () => {
    const vectors = ['a', 'b', 'ab', ''].map(encode)
    for (const [i, a] of vectors.entries())
      for (const b of vectors.slice(0, i)) expect(Math.abs(cosine(a, b))).toBeLessThan(LIMIT)
  })

  test('refuses dimensions that are none', () => {
    expect(thrown(() => symbolEncoder({ dims: 0, seed: 1 })).code).toBe('E_VALUE')
  })
})

describe('levelEncoder()', () => {
  const options = { dims: DIMS, seed: 3, min: -5, max: 5, levels: 11 }

  test('is the less alike the further numbers are apart, on a line', () => {
    const { encode: level } = levelEncoder(options)
    for (let value = -5; value <= 5; value++) {
      const want = 1 - (value + 5) / 10
      expect(Math.abs(cosine(level(-5), level(value)) - want)).toBeLessThan(LIMIT)
    }
    expect(equals(level(1.2), level(1))).toBe(true)
  })

  test('a thermometer goes from all −1 to all 1, and its cosine from 1 to −1', () => {
    const { encode: level } = levelEncoder({ ...options, kind: 'thermometer' })
    expect(packedTrits.counts(level(-5))).toEqual({ positive: 0, negative: DIMS, zero: 0 })
    expect(packedTrits.counts(level(5))).toEqual({ positive: DIMS, negative: 0, zero: 0 })
    expect([...packedTrits.toArray(level(0)).slice(4999, 5001)]).toEqual([1, -1])
    for (let value = -5; value <= 5; value++)
      expect(cosine(level(-5), level(value))).toBeCloseTo(1 - (value + 5) / 5, 10)
  })

  test('refuses ranges, levels and numbers that are none', () => {
    const { encode: level } = levelEncoder(options)
    for (const value of [-5.01, 6, NaN]) expect(thrown(() => level(value))).toMatchObject({ code: 'E_VALUE' })
    for (const wrong of [{ levels: 1 }, { levels: 2.5 }, { max: -5 }, { min: NaN }, { dims: -1 }])
      expect(thrown(() => levelEncoder({ ...options, ...wrong })).code).toBe('E_VALUE')
  })
})

describe('sequences', () => {
  const spell = (text: string) => [...text].map(encode)

  test('an n-gram is permuted and bound from the left', () => {
    const [a, b, c] = spell('abc')
    expect(equals(encodeNgram([a, b, c]), bind(bind(permute(a, 2), permute(b, 1)), c))).toBe(true)
    expect(equals(encodeNgram([a]), a)).toBe(true)
    expect(Math.abs(cosine(encodeNgram([a, b, c]), encodeNgram([c, b, a])))).toBeLessThan(LIMIT)
  })

  test('sequences are alike by the n-grams that they share', () => {
    const whole = encodeSequence(spell('abcdefgh'), { n: 2 })
    expect(cosine(whole, encodeSequence(spell('abcdefgz'), { n: 2 }))).toBeGreaterThan(0.7)
    expect(Math.abs(cosine(whole, encodeSequence(spell('hgfedcba'), { n: 2 })))).toBeLessThan(LIMIT)
    expect(equals(encodeSequence(spell('abc')), encodeNgram(spell('abc')))).toBe(true)
  })

  test('refuses what is too short, and dimensions that differ', () => {
    expect(thrown(() => encodeNgram([]))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => encodeSequence(spell('ab')))).toMatchObject({
      code: 'E_SHAPE',
      what: expect.stringContaining('3-gram'),
    })
    expect(thrown(() => encodeSequence(spell('ab'), { n: 0 })).code).toBe('E_VALUE')
    expect(thrown(() => encodeNgram([encode('a'), packedTrits.zeros(5)])).code).toBe('E_SHAPE')
  })
})

describe('records', () => {
  const fields = { name: 'Ada', field: 'mathematics', city: 'London' }
  const record = encodeRecord(
    Object.entries(fields).map(([role, filler]) => ({ role: encode(role), filler: encode(filler) })),
  )

  test('give what is like the filler of a role, and like no other', () => {
    for (const [role, filler] of Object.entries(fields))
      for (const other of Object.values(fields)) {
        const likeness = cosine(fillerOf(record, encode(role)), encode(other))
        if (other === filler) expect(likeness).toBeGreaterThan(0.3)
        else expect(Math.abs(likeness)).toBeLessThan(LIMIT)
      }
  })

  test('of one field give the filler itself', () => {
    const one = encodeRecord([{ role: encode('role'), filler: encode('filler') }])
    expect(equals(unbind(one, encode('role')), encode('filler'))).toBe(true)
  })

  test('of no fields are refused', () => {
    expect(thrown(() => encodeRecord([]))).toMatchObject({ code: 'E_SHAPE' })
  })
})

describe('factorize()', () => {
  const codebook = (stream: string, size: number) =>
    Array.from({ length: size }, (_, i) =>
      packedTrits.random({ dims: 1500, seed: 4, stream: `${stream}/${i}`, density: 1 }),
    )
  const books = [codebook('a', 15), codebook('b', 20), codebook('c', 10)]
  const productOf = (indices: readonly number[]) =>
    indices.map((i, f) => books[f][i]).reduce((x, y) => packedTrits.product(x, y))

  test('finds the factors of products', () => {
    for (const indices of [
      [0, 0, 0],
      [14, 19, 9],
      [3, 11, 7],
      [8, 2, 5],
    ]) {
      const found = factorize(productOf(indices), books)
      expect(found.indices).toEqual(indices)
      expect(Math.abs(found.similarity)).toBe(1)
      expect(found.converged).toBe(true)
      expect(found.iterations).toBeLessThan(50)
    }
  })

  test('finds them through noise', () => {
    const noise = packedTrits.random({ dims: 1500, seed: 9, density: 1 })
    const noisy = packedTrits.weightedBundle(
      [productOf([3, 11, 7]), noise, packedTrits.random({ dims: 1500, seed: 10, density: 1 })],
      [1, 0.6, 0.5],
    )
    expect(factorize(noisy, books).indices).toEqual([3, 11, 7])
  })

  test('says when it did not come to rest, and that what it found is not the product', () => {
    const { converged, similarity, iterations } = factorize(
      packedTrits.random({ dims: 1500, seed: 1, density: 1 }),
      books,
      {
        maxIterations: 1,
      },
    )
    expect([converged, iterations]).toEqual([false, 1])
    expect(Math.abs(similarity)).toBeLessThan(0.2)
  })

  test('refuses codebooks that are none', () => {
    const whole = productOf([0, 0, 0])
    expect(thrown(() => factorize(whole, []))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => factorize(whole, [books[0], []]))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => factorize(packedTrits.zeros(10), books))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => factorize(whole, books, { maxIterations: 0 })).code).toBe('E_VALUE')
  })
})
