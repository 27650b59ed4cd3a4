/**
 * Ternary hypervectors on the emulated CUDA kernels against plain arithmetic. All exact.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { noise, openRaw, type RawDevice } from './_raw.ts'

const device: RawDevice = openRaw()
const { call } = device
afterEach(() => device.freeAll())

const DIMS: readonly number[] = [1, 31, 32, 100, 1024, 1543]
const balanced = (x: number): number => x - 3 * Math.round(x / 3)
/** By TT_VSA_PRODUCT … of tritune.h. */
const COMBINATIONS = [
  (a: number, b: number): number => a * b,
  (a: number, b: number): number => balanced(a - b),
  (a: number, b: number): number => balanced(a + b),
]
const trits = (rows: number, dims: number, seed: number): Int8Array<ArrayBuffer> =>
  Int8Array.from(noise(rows * dims, seed), (v) => Math.trunc(v * 1.999))

function planes(x: Int8Array, dims: number): Uint32Array<ArrayBuffer> {
  const words = Math.ceil(dims / 32)
  const y = new Uint32Array((x.length / dims) * 2 * words)
  for (const [i, value] of x.entries()) {
    const at = (Math.floor(i / dims) * 2 + Number(value < 0)) * words + Math.floor((i % dims) / 32)
    if (value !== 0) y[at] |= 1 << ((i % dims) % 32)
  }
  return y
}

/** By TT_VSA_DOT … of tritune.h. */
const METRICS = [(a: number, b: number): number => a * b, (a: number, b: number): number => Number(a !== b)]

describe('tt_vsa', () => {
  for (const dims of DIMS) {
    const words = Math.ceil(dims / 32)

    test(`pack and unpack ${dims} dimensions`, () => {
      const x = trits(3, dims, dims)
      const y = device.space(3 * 2 * words * 4)
      call.tt_vsa_pack(y, device.put(x), 3, dims, 0)
      expect(device.get(new Uint32Array(6 * words), y)).toEqual(planes(x, dims))
      const back = device.space(3 * dims)
      call.tt_vsa_unpack(back, y, 3, dims, 0)
      expect(device.get(new Int8Array(3 * dims), back)).toEqual(x)
    })

    test(`product, bind and unbind of ${dims} dimensions, with as many vectors or one`, () => {
      const a = trits(4, dims, 1)
      for (const bRows of [4, 1]) {
        const b = trits(bRows, dims, 2)
        const y = device.space(8 * words * 4)
        for (const [how, combine] of COMBINATIONS.entries()) {
          call.tt_vsa_combine(
            y,
            device.put(planes(a, dims)),
            device.put(planes(b, dims)),
            4,
            bRows,
            dims,
            how,
            0,
          )
          const expected = a.map((v, i) => combine(v, b[i % b.length]))
          expect(device.get(new Uint32Array(8 * words), y)).toEqual(planes(expected, dims))
        }
      }
    })

    test(`bundle ${dims} dimensions`, () => {
      for (const [groups, count] of [
        [3, 1],
        [2, 6],
        [1, 255],
        [1, 300],
      ]) {
        const x = trits(groups * count, dims, count)
        if (count >= 255) for (let i = 0; i < x.length; i += dims) x[i] = 1 // the largest sum
        const y = device.space(groups * 2 * words * 4)
        const weights = Float32Array.from(noise(groups * count, 5))
        for (const weighed of [false, true]) {
          const given = weighed ? device.put(weights) : 0
          call.tt_vsa_bundle(y, device.put(planes(x, dims)), given, groups, count, dims, 0)
          const expected = Int8Array.from({ length: groups * dims }, (_, i) => {
            let sum = 0
            for (let v = 0; v < count; v++) {
              const row = Math.floor(i / dims) * count + v
              sum = Math.fround(sum + x[row * dims + (i % dims)] * (weighed ? weights[row] : 1))
            }
            return Math.sign(sum)
          })
          expect(device.get(new Uint32Array(groups * 2 * words), y)).toEqual(planes(expected, dims))
        }
      }
    })

    test(`permute ${dims} dimensions`, () => {
      const x = trits(2, dims, 7)
      for (const shift of [0, 1, -1, 31, 33, dims, dims + 5, -3 * dims - 7, 1 << 30]) {
        const y = device.space(4 * words * 4)
        call.tt_vsa_permute(y, device.put(planes(x, dims)), 2, dims, shift, 0)
        const expected = x.map((_, i) => {
          const from = ((((i % dims) - shift) % dims) + dims) % dims
          return x[Math.floor(i / dims) * dims + from]
        })
        expect(device.get(new Uint32Array(4 * words), y)).toEqual(planes(expected, dims))
      }
    })
  }

  for (const [aRows, bRows, dims] of [
    [1, 9, 1543],
    [40, 3, 77],
    [5, 7, 32],
    [33, 70, 1000],
  ])
    test(`similarity of ${aRows} and ${bRows} vectors of ${dims} dimensions`, () => {
      const a = trits(aRows, dims, 11)
      const b = trits(bRows, dims, 12)
      const y = device.space(aRows * bRows * 4)
      for (const [metric, compare] of METRICS.entries()) {
        call.tt_vsa_similarity(
          y,
          device.put(planes(a, dims)),
          device.put(planes(b, dims)),
          aRows,
          bRows,
          dims,
          metric,
          0,
        )
        const expected = Int32Array.from({ length: aRows * bRows }, (_, i) => {
          let sum = 0
          for (let d = 0; d < dims; d++)
            sum += compare(a[Math.floor(i / bRows) * dims + d], b[(i % bRows) * dims + d])
          return sum
        })
        expect(device.get(new Int32Array(aRows * bRows), y)).toEqual(expected)
      }
    })

  test('sizes that cannot be are refused', () => {
    const p = device.space(64)
    expect(() => call.tt_vsa_bundle(p, p, 0, 1, 65536, 32, 0)).toThrow('1 to 65535')
    expect(() => call.tt_vsa_combine(p, p, p, 4, 2, 32, 0, 0)).toThrow('b_rows')
    expect(() => call.tt_vsa_combine(p, p, p, 1, 1, 32, 3, 0)).toThrow('how')
    expect(() => call.tt_vsa_similarity(p, p, p, 1, 1, 32, 2, 0)).toThrow('metric')
    expect(() => call.tt_vsa_pack(p, p, 1, 0, 0)).toThrow('dims')
  })
})
