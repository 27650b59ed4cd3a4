/** Bit planes of the native library against plain loops over trits: exact, every tail, every instruction set. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, lastError } from './_library.ts'
import { onEveryMachine, uniform } from './_numbers.ts'

const SIZES: readonly number[] = [1, 7, 31, 32, 33, 64, 95, 1000, 4099]

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
      onEveryMachine(() => {
        const [x, y] = [packed(a, rows, dims), packed(b, rows, dims)]
        expect(checked(x, rows, dims)).toEqual(a)

        const bound = new Uint32Array(x.length).fill(0xffffffff)
        run('tt_vsa_bind', bound, x, y, rows, rows, dims)
        expect(checked(bound, rows, dims)).toEqual(a.map((trit, i) => trit * b[i]))
        run('tt_vsa_bind', bound, x, y, rows, 1, dims)
        expect(checked(bound, rows, dims)).toEqual(a.map((trit, i) => trit * b[i % dims]))

        for (const count of [1, 2, 3, 6]) {
          const groups = rows / count
          const bundle = new Uint32Array(groups * 2 * words).fill(0xffffffff)
          run('tt_vsa_bundle', bundle, x, groups, count, dims)
          const want = Int8Array.from({ length: groups * dims }, (_, i) => {
            const first = Math.floor(i / dims) * count
            let sum = 0
            for (let j = 0; j < count; j++) sum += a[(first + j) * dims + (i % dims)]
            return Math.sign(sum)
          })
          expect(checked(bundle, groups, dims)).toEqual(want)
        }

        const dots = new Int32Array(rows * rows).fill(-1)
        run('tt_vsa_similarity', dots, x, y, rows, rows, dims)
        const want = Int32Array.from({ length: rows * rows }, (_, pair) => {
          let sum = 0
          for (let i = 0; i < dims; i++)
            sum += a[Math.floor(pair / rows) * dims + i] * b[(pair % rows) * dims + i]
          return sum
        })
        expect(dots).toEqual(want)

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

  test('a bundle of 255 vectors counts to 255', () => {
    const dims = 70
    const plus = packed(new Int8Array(255 * dims).fill(1), 255, dims)
    const mixed = packed(
      Int8Array.from({ length: 255 * dims }, (_, i) => (Math.floor(i / dims) < 128 ? -1 : 1)),
      255,
      dims,
    )
    onEveryMachine(() => {
      const out = new Uint32Array(6)
      run('tt_vsa_bundle', out, plus, 1, 255, dims)
      expect(checked(out, 1, dims)).toEqual(new Int8Array(dims).fill(1))
      run('tt_vsa_bundle', out, mixed, 1, 255, dims)
      expect(checked(out, 1, dims)).toEqual(new Int8Array(dims).fill(-1))
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
    refused('b_rows', 'tt_vsa_bind', x, x, x, 4, 2, 8)
    refused('b is null', 'tt_vsa_bind', x, x, null, 4, 1, 8)
    refused('count', 'tt_vsa_bundle', x, x, 1, 0, 8)
    refused('count', 'tt_vsa_bundle', x, x, 1, 256, 8)
    refused('b_rows', 'tt_vsa_similarity', x, x, x, 1, -1, 8)
    refused('out is null', 'tt_vsa_similarity', null, x, x, 1, 1, 8)
    refused('dims', 'tt_vsa_permute', x, x, 1, -8, 1)
    expect(call('tt_vsa_permute', null, null, 0, 8, 1)).toBe(0)
  })
})
