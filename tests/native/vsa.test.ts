/** Bit planes of the native library against plain loops over trits: exact, every tail, every instruction set. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, lastError } from './_library.ts'
import { normal, onEveryMachine, uniform } from './_numbers.ts'

const SIZES: readonly number[] = [1, 7, 31, 32, 33, 64, 95, 1000, 4099, 20011]

const balanced = (x: number): number => x - 3 * Math.round(x / 3)
/** By TT_VSA_PRODUCT … of tritune.h. */
const COMBINATIONS = [
  (a: number, b: number): number => a * b,
  (a: number, b: number): number => balanced(a - b),
  (a: number, b: number): number => balanced(a + b),
]
/** By TT_VSA_DOT … of tritune.h. */
const METRICS = [(a: number, b: number): number => a * b, (a: number, b: number): number => Number(a !== b)]

function randomTrits(n: number, seed: number): Int8Array {
  const next = uniform(seed)
  return Int8Array.from({ length: n }, () => Math.floor(3 * next()) - 1)
}

const wordsOf = (dims: number): number => Math.ceil(dims / 32)

function packed(trits: Int8Array, rows: number, dims: number): Uint32Array {
  const planes = new Uint32Array(rows * 2 * wordsOf(dims)).fill(0xdeadbeef)
  run('tt_vsa_pack', planes, trits, rows, dims)
  return planes
}

function unpacked(planes: Uint32Array, rows: number, dims: number): Int8Array {
  const trits = new Int8Array(rows * dims).fill(9)
  run('tt_vsa_unpack', trits, planes, rows, dims)
  return trits
}

/** The trits of planes, after a look at the bits that must be 0. */
function checked(planes: Uint32Array, rows: number, dims: number): Int8Array {
  const words = wordsOf(dims)
  const tail = dims % 32 === 0 ? 0 : -1 << (dims % 32)
  for (let plane = 0; plane < 2 * rows; plane++) expect(planes[(plane + 1) * words - 1] & tail).toBe(0)
  for (let row = 0; row < rows; row++)
    for (let w = 0; w < words; w++)
      expect(planes[2 * row * words + w] & planes[(2 * row + 1) * words + w]).toBe(0)
  return unpacked(planes, rows, dims)
}

describe('ternary hypervectors', () => {
  for (const dims of SIZES) {
    test(`of ${dims} dimensions: pack, bind, bundle, similarity, permute`, () => {
      const rows = 6
      const words = wordsOf(dims)
      const [a, b] = [randomTrits(rows * dims, dims), randomTrits(rows * dims, dims + 1)]
      const weights = Float32Array.from(normal(rows, dims))
      onEveryMachine(() => {
        const [x, y] = [packed(a, rows, dims), packed(b, rows, dims)]
        expect(checked(x, rows, dims)).toEqual(a)

        for (const [how, combine] of COMBINATIONS.entries()) {
          const bound = new Uint32Array(x.length).fill(0xffffffff)
          run('tt_vsa_combine', bound, x, y, rows, rows, dims, how)
          expect(checked(bound, rows, dims)).toEqual(a.map((trit, i) => combine(trit, b[i])))
          bound.set(x)
          run('tt_vsa_combine', bound, bound, y, rows, 1, dims, how)
          expect(checked(bound, rows, dims)).toEqual(a.map((trit, i) => combine(trit, b[i % dims])))
        }

        for (const count of [1, 2, 3, 6]) {
          const groups = rows / count
          const bundle = new Uint32Array(groups * 2 * words).fill(0xffffffff)
          for (const given of [null, weights]) {
            run('tt_vsa_bundle', bundle, x, given, groups, count, dims)
            const want = Int8Array.from({ length: groups * dims }, (_, i) => {
              const first = Math.floor(i / dims) * count
              let sum = 0
              for (let j = 0; j < count; j++)
                sum = Math.fround(sum + a[(first + j) * dims + (i % dims)] * (given ? given[first + j] : 1))
              return Math.sign(sum)
            })
            expect(checked(bundle, groups, dims)).toEqual(want)
          }
        }

        for (const [metric, compare] of METRICS.entries())
          for (const [aRows, bRows] of [
            [6, 6],
            [5, 1],
            [1, 3],
          ]) {
            const scores = new Int32Array(aRows * bRows).fill(-1)
            run('tt_vsa_similarity', scores, x, y, aRows, bRows, dims, metric)
            const want = Int32Array.from({ length: aRows * bRows }, (_, pair) => {
              let sum = 0
              for (let i = 0; i < dims; i++)
                sum += compare(a[Math.floor(pair / bRows) * dims + i], b[(pair % bRows) * dims + i])
              return sum
            })
            expect(scores).toEqual(want)
          }

        for (const shift of [0, 1, -1, 31, -32, 33, dims, 3 * dims + 5, -(2 ** 31), 2 ** 31 - 1]) {
          const turned = new Uint32Array(x.length).fill(0xffffffff)
          run('tt_vsa_permute', turned, x, rows, dims, shift)
          const from = (i: number): number => (((i - shift) % dims) + dims) % dims
          expect(checked(turned, rows, dims)).toEqual(
            a.map((_, i) => a[Math.floor(i / dims) * dims + from(i % dims)]),
          )
        }
      })
    })
  }

  test.each([255, 256, 257, 65535])('a bundle of %p vectors counts to that', (count) => {
    const dims = 70
    const plus = packed(new Int8Array(count * dims).fill(1), count, dims)
    const mixed = packed(
      Int8Array.from({ length: count * dims }, (_, i) => (Math.floor(i / dims) <= count / 2 ? -1 : 1)),
      count,
      dims,
    )
    onEveryMachine(() => {
      const out = new Uint32Array(6)
      run('tt_vsa_bundle', out, plus, null, 1, count, dims)
      expect(checked(out, 1, dims)).toEqual(new Int8Array(dims).fill(1))
      run('tt_vsa_bundle', out, mixed, null, 1, count, dims)
      expect(checked(out, 1, dims)).toEqual(new Int8Array(dims).fill(-1))
    })
  })

  test('a weight counts only where its vector is not 0, and NaN makes a tie', () => {
    const dims = 3
    const x = packed(Int8Array.from([1, 1, 0, 0, -1, 1]), 2, dims)
    onEveryMachine(() => {
      const out = new Uint32Array(2)
      const bundle = (...weights: number[]): number[] => {
        run('tt_vsa_bundle', out, x, Float32Array.from(weights), 1, 2, dims)
        return [...checked(out, 1, dims)]
      }
      expect(bundle(2, 1)).toEqual([1, 1, 1])
      expect(bundle(-0.5, -1)).toEqual([-1, 1, -1])
      expect(bundle(1, Number.POSITIVE_INFINITY)).toEqual([1, -1, 1])
      expect(bundle(Number.NaN, 1)).toEqual([0, 0, 1])
    })
  })

  test('tt_vsa_*() refuse bad arguments and say which', () => {
    const x = new Uint32Array(64)
    const refused = (
      word: string,
      name: string,
      ...args: readonly (number | NodeJS.TypedArray | null)[]
    ): void => {
      expect(call(name, ...args)).toBe(BAD_ARGUMENT)
      expect(lastError()).toContain(word)
    }
    refused('dims', 'tt_vsa_pack', x, x, 1, 0)
    refused('rows', 'tt_vsa_pack', x, x, -1, 8)
    refused('y is null', 'tt_vsa_pack', null, x, 1, 8)
    refused('x is null', 'tt_vsa_unpack', x, null, 1, 8)
    refused('b_rows', 'tt_vsa_combine', x, x, x, 4, 2, 8, 0)
    refused('how', 'tt_vsa_combine', x, x, x, 1, 1, 8, 3)
    refused('b is null', 'tt_vsa_combine', x, x, null, 4, 1, 8, 1)
    refused('count', 'tt_vsa_bundle', x, x, null, 1, 0, 8)
    refused('count', 'tt_vsa_bundle', x, x, null, 1, 65536, 8)
    refused('b_rows', 'tt_vsa_similarity', x, x, x, 1, -1, 8, 0)
    refused('metric', 'tt_vsa_similarity', x, x, x, 1, 1, 8, 2)
    refused('out is null', 'tt_vsa_similarity', null, x, x, 1, 1, 8, 0)
    refused('dims', 'tt_vsa_permute', x, x, 1, -8, 1)
    expect(call('tt_vsa_permute', null, null, 0, 8, 1)).toBe(0)
  })
})
