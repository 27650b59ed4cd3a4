/**
 * Quantization on the emulated CUDA kernels, byte for byte against plain rules: sizes and values that the op table has not.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { numberToBf16 } from '../../core/tensor/dtype.ts'
import { as, DTYPE, type Kind, noise, openRaw, type RawDevice, read } from './_raw.ts'

const { fround } = Math
const device: RawDevice = openRaw()
const { call } = device
afterEach(() => device.freeAll())

const DTYPES: readonly Kind[] = ['f32', 'bf16']

// ---- four bits --------------------------------------------------------------------------------------------------------

const NF4: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
].map(fround)
const NF4_THRESHOLDS: readonly number[] = [
  -0.84809643030166626, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
  -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552542090416, 0.2035212516784668,
  0.2920137718319893, 0.3893125355243683, 0.50166338682174683, 0.6427869200706482, 0.86147838830947876,
].map(fround)
const FP4_SIZES: readonly number[] = [0, 0.0625, 8, 12, 4, 6, 2, 3].map((v) => fround(v / 12))
const FP4: readonly number[] = [...FP4_SIZES, ...FP4_SIZES.map((size) => -size)]
const FP4_THRESHOLDS: readonly number[] = [
  0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333,
].map(fround)

const above = (thresholds: readonly number[], x: number): number => thresholds.filter((t) => x > t).length
const CODES = {
  nf4: { kind: 0, values: NF4, codeOf: (x: number) => above(NF4_THRESHOLDS, x) },
  fp4: {
    kind: 1,
    values: FP4,
    codeOf: (x: number) => [0, 1, 6, 7, 4, 5, 2, 3][above(FP4_THRESHOLDS, Math.abs(x))] + (x < 0 ? 8 : 0),
  },
} as const

function expected4bit(
  x: Float32Array,
  block: number,
  codeOf: (x: number) => number,
): { packed: Uint8Array<ArrayBuffer>; absmax: Float32Array<ArrayBuffer> } {
  const packed = new Uint8Array(Math.ceil(x.length / 2))
  const absmax = new Float32Array(Math.ceil(x.length / block))
  for (let b = 0; b < absmax.length; b++)
    for (const value of x.subarray(b * block, (b + 1) * block))
      if (Math.abs(value) > absmax[b]) absmax[b] = Math.abs(value)
  for (const [i, value] of x.entries()) {
    const code = codeOf(fround(value * fround(1 / absmax[Math.floor(i / block)])))
    packed[i >> 1] |= i % 2 === 0 ? code << 4 : code
  }
  return { packed, absmax }
}

describe('tt_quantize_4bit', () => {
  for (const name of ['nf4', 'fp4'] as const) {
    for (const dtype of DTYPES) {
      for (const [n, block] of [
        [32, 32],
        [1001, 32],
        [64, 64],
        [1000, 64],
        [2047, 128],
        [3 * 4096 + 77, 256],
        [5000, 512],
        [9001, 4096],
      ]) {
        test(`${name} of ${n} ${dtype} in blocks of ${block}, and back, are the bytes of the rules`, () => {
          const x = as(dtype, noise(n, n + block))
          x.values.fill(0, 128, 192) // a block of zeros when block is 64
          const array = dtype === 'f32' ? x.values : Uint16Array.from(x.values, numberToBf16)
          const { kind, values, codeOf } = CODES[name]
          const expected = expected4bit(x.values, block, codeOf)
          const packed = device.space(expected.packed.length + 8)
          const absmax = device.space(expected.absmax.byteLength + 8)
          call.tt_quantize_4bit(packed, absmax, device.put(array), n, block, kind, DTYPE[dtype], 0)
          const bytes = device.get(new Uint8Array(expected.packed.length + 8), packed)
          expect(bytes.subarray(0, -8)).toEqual(expected.packed)
          expect([...bytes.subarray(-8)]).toEqual(Array(8).fill(255)) // nothing past the end
          expect(device.get(new Float32Array(expected.absmax.length), absmax)).toEqual(expected.absmax)

          const weight = BigInt64Array.from([kind, packed, absmax, 0, block, 0, 0, 0], BigInt)
          const y = device.space(n * 4)
          call.tt_dequantize(y, weight, 1, n, DTYPE[dtype], 0)
          const product = Float32Array.from(x.values, (_, i) => {
            const byte = expected.packed[i >> 1]
            return fround(values[i % 2 ? byte & 15 : byte >> 4] * expected.absmax[Math.floor(i / block)])
          })
          expect(read(device, dtype, n, y)).toEqual(as(dtype, product).values)
        })
      }
    }
  }

  test('a value on a threshold takes the lower code, NaN and blocks of zeros take 0', () => {
    const x = new Float32Array(128)
    x.set(NF4_THRESHOLDS)
    x[20] = 1
    x[21] = NaN
    const packed = device.space(64)
    const absmax = device.space(8)
    call.tt_quantize_4bit(packed, absmax, device.put(x), 128, 64, 0, 0, 0)
    const bytes = device.get(new Uint8Array(64), packed)
    const codes = [...bytes].flatMap((byte) => [byte >> 4, byte & 15])
    expect(codes.slice(0, 15)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(codes[21]).toBe(0)
    expect(codes.slice(64)).toEqual(Array(64).fill(0))
    expect([...device.get(new Float32Array(2), absmax)]).toEqual([1, 0])
  })

  test('memory that is not aligned gives the same bytes', () => {
    const x = noise(261, 3)
    const expected = expected4bit(x.subarray(1), 64, CODES.nf4.codeOf)
    const packed = device.space(140)
    const absmax = device.space(64)
    call.tt_quantize_4bit(packed + 1, absmax, device.put(x) + 4, 260, 64, 0, 0, 0)
    expect(device.get(new Uint8Array(130), packed + 1)).toEqual(expected.packed)
  })

  test('what cannot be is refused with a reason', () => {
    const p = device.space(64)
    expect(() => call.tt_quantize_4bit(p, p, p, 8, 100, 0, 0, 0)).toThrow('power of two')
    expect(() => call.tt_quantize_4bit(p, p, p, 8, 64, 2, 0, 0)).toThrow('kind')
    expect(() => call.tt_quantize_4bit(0, p, p, 8, 64, 0, 0, 0)).toThrow('NULL')
    expect(() => call.tt_dequantize(p, new BigInt64Array(8), 2, 2, 0, 0)).toThrow('data')
    expect(() =>
      call.tt_dequantize(p, BigInt64Array.from([3, p, p, 0, 0, 0, 0, 0], BigInt), 6, 2, 0, 0),
    ).toThrow('multiple of 4')
  })
})

// ---- eight bits ---------------------------------------------------------------------------------------------------------

/** A second way to the maps: all values, sorted. */
function dynamicMap(signed: boolean): number[] {
  const map = [0, 1]
  for (let i = 0; i < 7; i++) {
    const steps = 2 ** (signed ? i : i + 1)
    const step = fround(fround(1 - fround(0.1)) / steps)
    const bound = (k: number): number =>
      k < (steps + 1) >> 1 ? fround(fround(0.1) + step * k) : fround(1 - step * (steps - k))
    for (let k = 0; k < steps; k++) {
      const value = fround(fround(fround(bound(k) + bound(k + 1)) / 2) * fround(10 ** (i - 6)))
      map.push(value)
      if (signed) map.push(-value)
    }
  }
  return map.toSorted((a, b) => a - b)
}

describe('the dynamic 8-bit maps', () => {
  for (const signed of [true, false]) {
    const map = dynamicMap(signed)
    const name = signed ? 'signed' : 'unsigned'
    test(`the ${name} map has the 256 values of bitsandbytes`, () => {
      const y = device.space(1024)
      const codes = device.put(Uint8Array.from({ length: 256 }, (_, i) => i))
      call.tt_dequantize_8bit(y, codes, device.put(Float32Array.of(1)), 256, 256, Number(signed), 0)
      expect([...device.get(new Float32Array(256), y)]).toEqual(map)
    })

    test(`codes of the ${name} map are the nearest values`, () => {
      const n = 1000
      const block = 192
      const x = noise(n, 9).map((v, i) => (signed ? v : Math.abs(v)) * 10 ** -(i % 9))
      x[500] = NaN
      x.fill(0, 576, 768)
      const codes = device.space(n)
      const absmax = device.space(4 * 6)
      call.tt_quantize_8bit(codes, absmax, device.put(x), n, block, Number(signed), 0)
      const tops = device.get(new Float32Array(6), absmax)
      const got = device.get(new Uint8Array(n), codes)
      const expected = x.map((value, i) => {
        const first = Math.floor(i / block) * block
        let top = 0
        for (const v of x.subarray(first, first + block)) if (Math.abs(v) > top) top = Math.abs(v)
        expect(tops[first / block]).toBe(top)
        const scaled = fround(value / top)
        return map.slice(1).filter((m, k) => scaled > fround((map[k] + m) / 2)).length
      })
      expect([...got]).toEqual([...expected])
      const y = device.space(4 * n)
      call.tt_dequantize_8bit(y, codes, absmax, n, block, Number(signed), 0)
      expect(device.get(new Float32Array(n), y)).toEqual(
        Float32Array.from(got, (code, i) => map[code] * tops[Math.floor(i / block)]),
      )
    })
  }

  test('nested scales give product and sum, each rounded', () => {
    const [rows, cols, block] = [3, 400, 64]
    const n = rows * cols
    const map = dynamicMap(true)
    const packed = Uint8Array.from(noise(n / 2, 4), (v) => Math.floor((v + 1) * 128))
    const codes = Uint8Array.from(noise(Math.ceil(n / block), 5), (v) => Math.floor((v + 1) * 128))
    const nested = Float32Array.of(0.0123)
    const offset = fround(0.345)
    const bits = new BigInt64Array(1)
    new Float32Array(bits.buffer)[0] = offset
    const weight = BigInt64Array.from(
      [0, device.put(packed), device.put(codes), device.put(nested), block, Number(bits[0]), 0, 0],
      BigInt,
    )
    const y = device.space(n * 4)
    call.tt_dequantize(y, weight, rows, cols, 0, 0)
    const expected = Float32Array.from({ length: n }, (_, i) => {
      const absmax = fround(fround(map[codes[Math.floor(i / block)]] * nested[0]) + offset)
      return fround(NF4[i % 2 ? packed[i >> 1] & 15 : packed[i >> 1] >> 4] * absmax)
    })
    expect(device.get(new Float32Array(n), y)).toEqual(expected)
  })
})

// ---- int8, ternary --------------------------------------------------------------------------------------------------------

function halfEven(x: number): number {
  const floor = Math.floor(x)
  return x - floor === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(x)
}

describe('tt_quantize_int8', () => {
  for (const dtype of DTYPES) {
    for (const cols of [8, 77, 2304]) {
      test(`rows of ${cols} ${dtype}, and back`, () => {
        const rows = 5
        const x = as(dtype, noise(rows * cols, cols))
        x.values.fill(0, cols, 2 * cols) // a row of zeros
        x.values[2 * cols + 3] = Infinity
        x.values[3 * cols] = NaN
        const array = dtype === 'f32' ? x.values : Uint16Array.from(x.values, numberToBf16)
        const q = device.space(rows * cols)
        const absmax = device.space(4 * rows)
        call.tt_quantize_int8(q, absmax, device.put(array), rows, cols, DTYPE[dtype], 0)
        const tops = Float32Array.from({ length: rows }, (_, r) =>
          x.values.subarray(r * cols, (r + 1) * cols).reduce((top, v) => Math.max(top, Math.abs(v)), 0),
        )
        expect([...device.get(new Float32Array(rows), absmax)]).toEqual([...tops])
        const codes = Int8Array.from(x.values, (v, i) => {
          const top = tops[Math.floor(i / cols)]
          return top > 0 && top < Infinity ? halfEven(fround(v * fround(127 * fround(1 / top)))) : 0
        })
        expect(device.get(new Int8Array(rows * cols), q)).toEqual(codes)

        const finite = device.put(tops.map((top) => (Number.isFinite(top) ? top : 1)))
        const y = device.space(4 * rows * cols)
        call.tt_dequantize(
          y,
          BigInt64Array.from([2, q, finite, 0, 0, 0, 0, 0], BigInt),
          rows,
          cols,
          DTYPE[dtype],
          0,
        )
        const product = Float32Array.from(codes, (code, i) => {
          const top = tops[Math.floor(i / cols)]
          return fround(code * fround((Number.isFinite(top) ? top : 1) / 127))
        })
        expect(read(device, dtype, rows * cols, y)).toEqual(as(dtype, product).values)
      })
    }
  }

  test('halves go to the even code', () => {
    const q = device.space(8)
    const absmax = device.space(4)
    call.tt_quantize_int8(
      q,
      absmax,
      device.put(Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -127)),
      1,
      8,
      0,
      0,
    )
    expect([...device.get(new Int8Array(8), q)]).toEqual([127, 0, 2, 2, 0, -2, -2, -127])
  })
})

describe('tt_quantize_ternary', () => {
  for (const dtype of DTYPES) {
    for (const [rows, cols] of [
      [4, 3],
      [8, 16],
      [12, 1031],
    ]) {
      test(`(${rows}, ${cols}) ${dtype}, and back`, () => {
        const n = rows * cols
        const w = as(dtype, noise(n, n))
        const packed = device.space(n / 4)
        const scale = device.space(4)
        call.tt_quantize_ternary(packed, scale, device.put(w.array), rows, cols, 0, DTYPE[dtype], 0)
        const mean = fround(w.values.reduce((sum, v) => sum + Math.abs(v), 0) / n)
        expect(device.get(new Float32Array(1), scale)[0]).toBe(mean)
        const trits = Int8Array.from(w.values, (v) => {
          const ratio = fround(v / mean)
          return Number(ratio > 0.5) - Number(ratio < -0.5)
        })
        const expected = new Uint8Array(n / 4)
        for (const [i, trit] of trits.entries())
          expected[i % (n / 4)] |= (trit + 1) << (2 * Math.floor(i / (n / 4)))
        expect(device.get(new Uint8Array(n / 4), packed)).toEqual(expected)

        const y = device.space(4 * n)
        call.tt_dequantize(
          y,
          BigInt64Array.from([3, packed, scale, 0, 0, 0, 0, 0], BigInt),
          rows,
          cols,
          DTYPE[dtype],
          0,
        )
        const product = Float32Array.from(trits, (trit) => trit * mean + 0)
        expect(read(device, dtype, n, y)).toEqual(as(dtype, product).values)
      })
    }
  }

  test('weights of zeros have the least scale', () => {
    const scale = device.space(4)
    call.tt_quantize_ternary(device.space(8), scale, device.space(128, 0), 4, 8, 0, 0, 0)
    expect(device.get(new Float32Array(1), scale)[0]).toBe(fround(1e-5))
  })
})
