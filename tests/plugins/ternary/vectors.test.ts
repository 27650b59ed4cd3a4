/**
 * Packed and sparse trit vectors against plain arrays, bit for bit, and the laws of the algebra on random vectors of random shapes.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import {
  packedTrits,
  type SparseTritVec,
  sparseTrits,
  type PackedTritVec,
  type TritAlgebra,
  type TritVec,
} from '../../../plugins/ternary/mod.ts'
import { DIMENSIONS, expectSameTrits, plain, type Trits } from './_plain.ts'
import { thrown } from './_thrown.ts'

const DENSITIES: readonly number[] = [0, 0.01, 2 / 3, 1]

describe('packed vectors', () => suite(packedTrits))
describe('sparse vectors', () => suite(sparseTrits))

function suite<V extends TritVec>(algebra: TritAlgebra<V>): void {
  const random = createRandom(11, 'shapes')
  const sizes = [...DIMENSIONS, ...Array.from({ length: 12 }, () => 1 + random.int(700))]

  test.each(sizes)('of %i dimensions: every operation is that on plain arrays', (dims) => {
    for (const density of DENSITIES) {
      const rows = [1, 2, 3, 4, 5].map((seed) => plain.random(dims, seed + 10 * dims, density))
      const vectors = rows.map((row) => algebra.fromArray(row))
      const [[a, b], [x, y]] = [rows, vectors]
      const same = (got: V, want: Trits): void => {
        expectWellFormed(got)
        expectSameTrits(algebra.toArray(got), want)
      }
      same(x, a)
      same(algebra.bind(x, y), plain.bind(a, b))
      same(algebra.unbind(x, y), plain.unbind(a, b))
      same(algebra.product(x, y), plain.product(a, b))
      same(algebra.negate(x), plain.negate(a))
      for (const count of [1, 2, 3, 5])
        same(algebra.bundle(vectors.slice(0, count)), plain.bundle(rows.slice(0, count)))
      const weights = [0.5, -1.25, 1e-8, 3, 0.1]
      same(algebra.weightedBundle(vectors, weights), plain.weightedBundle(rows, weights))
      for (const shift of [0, 1, -1, 31, -32, 33, dims, 3 * dims + 5, 2 ** 40])
        same(algebra.permute(x, shift), plain.permute(a, shift))
      expect(algebra.dot(x, y)).toBe(plain.dot(a, b))
      expect(algebra.hamming(x, y)).toBe(plain.hamming(a, b))
      expect(algebra.cosine(x, y)).toBe(plain.cosine(a, b))
      expect(algebra.sum(x)).toBe(a.reduce((sum, trit) => sum + trit, 0))
      const { positive, negative, zero } = algebra.counts(x)
      expect([positive, negative, zero]).toEqual(
        [1, -1, 0].map((trit) => a.filter((one) => one === trit).length),
      )
      expect(algebra.equals(x, y)).toBe(plain.hamming(a, b) === 0)
      for (const i of [0, dims >> 1, dims - 1]) expect(algebra.get(x, i)).toBe(a[i] as -1 | 0 | 1)
    }
  })

  test.each(sizes)('of %i dimensions: the laws', (dims) => {
    const [a, b, c] = [1, 2, 3].map((seed) => algebra.random({ dims, seed, stream: `laws ${dims}` }))
    const same = (got: V, want: V): void => expect(algebra.equals(got, want)).toBe(true)
    const zero = algebra.zeros(dims)
    same(algebra.unbind(algebra.bind(a, b), b), a)
    same(algebra.bind(a, algebra.bind(a, b)), b)
    same(algebra.bind(a, a), zero)
    same(algebra.bind(a, zero), a)
    same(algebra.bind(zero, a), algebra.negate(a))
    same(algebra.unbind(a, b), algebra.unbind(b, a))
    same(algebra.bind(a, b), algebra.negate(algebra.bind(b, a)))
    same(algebra.unbind(algebra.unbind(a, a), a), zero)
    same(algebra.product(algebra.product(a, b), b), algebra.product(a, algebra.product(b, b)))
    same(algebra.negate(algebra.negate(a)), a)
    same(algebra.bundle([a, algebra.negate(a)]), zero)
    same(algebra.bundle([a, b, c]), algebra.bundle([c, a, b]))
    same(algebra.bundle([a, b, c]), algebra.weightedBundle([a, b, c], [1, 1, 1]))
    same(algebra.permute(algebra.permute(a, 7), -7), a)
    same(algebra.permute(a, dims), a)
    same(algebra.permute(algebra.bind(a, b), 3), algebra.bind(algebra.permute(a, 3), algebra.permute(b, 3)))
    expect(algebra.dot(algebra.permute(a, 5), algebra.permute(b, 5))).toBe(algebra.dot(a, b))
    expect(algebra.hamming(algebra.bind(a, c), algebra.bind(b, c))).toBe(algebra.hamming(a, b))
    expect(algebra.dot(a, algebra.negate(b))).toBe(0 - algebra.dot(a, b))
    expect(algebra.sum(algebra.negate(a))).toBe(0 - algebra.sum(a))
    const { positive, negative } = algebra.counts(a)
    expect(algebra.sum(a)).toBe(positive - negative)
    expect(algebra.dot(a, a)).toBe(positive + negative)
    expect(algebra.hamming(a, zero)).toBe(positive + negative)
    expect(algebra.cosine(a, zero)).toBe(0)
  })

  test('what is bound is like neither part, a bundle is like each of its parts', () => {
    const dims = 10_000
    const limit = 4 / Math.sqrt(dims)
    for (let seed = 0; seed < 10; seed++) {
      const [a, b, c] = ['a', 'b', 'c'].map((stream) => algebra.random({ dims, seed, stream }))
      const bound = algebra.bind(a, b)
      for (const [x, y] of [
        [a, b],
        [bound, c],
      ])
        expect(Math.abs(algebra.cosine(x, y))).toBeLessThan(limit)
      const whole = algebra.bundle([a, b, c])
      for (const part of [a, b, c]) expect(algebra.cosine(whole, part)).toBeGreaterThan(limit)
    }
  })

  test('a bundle of bundles is not the bundle of all', () => {
    const [x, y, z] = [[1], [-1], [1]].map((trits) => algebra.fromArray(trits))
    expect([...algebra.toArray(algebra.bundle([x, y, z]))]).toEqual([1])
    expect([...algebra.toArray(algebra.bundle([algebra.bundle([x, z]), y]))]).toEqual([0])
  })

  test('with the wrong operand as key, b is not what comes out; bind(a, bound) gives it', () => {
    const [a, b] = [1, 2].map((seed) => algebra.random({ dims: 1000, seed }))
    const bound = algebra.bind(a, b)
    expect(algebra.equals(algebra.unbind(bound, a), b)).toBe(false)
    expect(algebra.equals(algebra.unbind(bound, a), algebra.negate(algebra.unbind(a, b)))).toBe(true)
    expect(algebra.equals(algebra.bind(a, bound), b)).toBe(true)
  })

  test('random() has the density that was asked for, and draws what the other form draws', () => {
    for (const density of [...DENSITIES, 0.3]) {
      const options = { dims: 20_000, seed: 5, stream: 'density', density }
      const drawn = algebra.random(options)
      expectWellFormed(drawn)
      const { positive, negative, zero } = algebra.counts(drawn)
      expect(Math.abs(positive + negative - density * 20_000)).toBeLessThan(4 * Math.sqrt(20_000 / 4) + 1)
      expect(Math.abs(positive - negative)).toBeLessThanOrEqual(4 * Math.sqrt(20_000 - zero))
      expectSameTrits(
        sparseTrits.toArray(sparseTrits.random(options)),
        packedTrits.toArray(packedTrits.random(options)),
      )
    }
    const options = { dims: 500, seed: 5 }
    expect(algebra.equals(algebra.random(options), algebra.random(options))).toBe(true)
    expect(algebra.equals(algebra.random(options), algebra.random({ ...options, stream: 1 }))).toBe(false)
  })

  test('indices, planes and the other form give the same vector again', () => {
    for (const dims of sizes) {
      const a = algebra.random({ dims, seed: 3, density: 0.4 })
      const [packed, sparse] = [packedTrits.from(a), sparseTrits.from(a)]
      expectWellFormed(packed)
      expectWellFormed(sparse)
      for (const again of [algebra.from(packed), algebra.from(sparse), algebra.fromPlanes(packed)])
        expect(algebra.equals(again, a)).toBe(true)
      const { positive, negative } = sparse
      const shuffled = { dims, positive: [...positive].toReversed(), negative: [...negative].toReversed() }
      expect(algebra.equals(algebra.fromIndices(shuffled), a)).toBe(true)
    }
  })

  test('says what it takes', () => {
    const a = algebra.random({ dims: 4096, seed: 1, density: 0.01 })
    const { positive, negative } = algebra.counts(a)
    expect(algebra.bytes(a)).toBe(a.kind === 'packed' ? 1024 : 4 * (positive + negative))
  })

  test('refuses what is no vector', () => {
    const planes = (plus: number, minus: number) => ({
      dims: 40,
      plus: Uint32Array.of(0, plus),
      minus: Uint32Array.of(0, minus),
    })
    const cases: readonly (readonly [string, string, () => unknown])[] = [
      ['E_VALUE', 'dimension 1: a trit is −1, 0 or 1, got 2', () => algebra.fromArray([0, 2])],
      ['E_VALUE', 'NaN', () => algebra.fromArray([NaN])],
      ['E_VALUE', 'dims', () => algebra.fromArray([])],
      ['E_VALUE', 'dims', () => algebra.zeros(0)],
      ['E_VALUE', 'dims', () => algebra.random({ dims: 1.5, seed: 1 })],
      ['E_VALUE', 'density', () => algebra.random({ dims: 5, seed: 1, density: 1.1 })],
      ['E_VALUE', 'seed', () => algebra.random({ dims: 5, seed: -1 })],
      ['E_VALUE', 'a place', () => algebra.fromIndices({ dims: 5, positive: [5], negative: [] })],
      [
        'E_VALUE',
        'dimension 2 is there twice',
        () => algebra.fromIndices({ dims: 5, positive: [2], negative: [2] }),
      ],
      [
        'E_VALUE',
        'dimension 3 is there twice',
        () => algebra.fromIndices({ dims: 5, positive: [3, 3], negative: [] }),
      ],
      ['E_VALUE', 'dimension 34 is set in both planes', () => algebra.fromPlanes(planes(6, 4))],
      ['E_VALUE', 'bit 41 is set', () => algebra.fromPlanes(planes(0, 1 << 9))],
      ['E_SHAPE', 'planes of 3 words', () => algebra.fromPlanes({ ...planes(0, 0), dims: 65 })],
    ]
    for (const [code, what, work] of cases)
      expect(thrown(work)).toMatchObject({ code, what: expect.stringContaining(what) })
  })

  test('refuses vectors that do not fit together, and weights and shifts that are none', () => {
    const [a, b] = [algebra.zeros(32), algebra.zeros(33)]
    for (const work of [
      () => algebra.bind(a, b),
      () => algebra.unbind(a, b),
      () => algebra.product(a, b),
      () => algebra.dot(a, b),
      () => algebra.cosine(a, b),
      () => algebra.hamming(a, b),
      () => algebra.equals(a, b),
      () => algebra.bundle([a, a, b]),
      () => algebra.weightedBundle([a, b], [1, 1]),
    ])
      expect(thrown(work)).toMatchObject({
        code: 'E_SHAPE',
        what: expect.stringContaining('32 and of 33 dimensions'),
      })
    expect(thrown(() => algebra.bundle([]))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => algebra.weightedBundle([a], [1, 2]))).toMatchObject({ code: 'E_SHAPE' })
    for (const weight of [NaN, Infinity, 1e39])
      expect(thrown(() => algebra.weightedBundle([a, a], [1, weight]))).toMatchObject({
        code: 'E_VALUE',
        what: expect.stringContaining('weight 1'),
      })
    for (const shift of [0.5, NaN, Infinity])
      expect(thrown(() => algebra.permute(a, shift)).code).toBe('E_VALUE')
    for (const i of [-1, 32, 0.5]) expect(thrown(() => algebra.get(a, i)).code).toBe('E_VALUE')
  })
}

function expectWellFormed(vector: TritVec): void {
  if (vector.kind === 'packed') expectPlanes(vector)
  else expectLists(vector)
}

function expectPlanes({ dims, plus, minus }: PackedTritVec): void {
  const words = Math.ceil(dims / 32)
  const tail = dims % 32 === 0 ? 0 : -1 << (dims % 32)
  expect([plus.length, minus.length]).toEqual([words, words])
  expect((plus[words - 1] | minus[words - 1]) & tail).toBe(0)
  expect(plus.every((word, w) => (word & minus[w]) === 0)).toBe(true)
}

function expectLists({ dims, positive, negative }: SparseTritVec): void {
  for (const list of [positive, negative])
    expect(list.every((place, j) => place < dims && (j === 0 || list[j - 1] < place))).toBe(true)
  const both = new Set([...positive, ...negative])
  expect(both.size).toBe(positive.length + negative.length)
}
