/** Packed weights and codes of the native library: edges, exact bytes on every instruction set, what is refused. */
import { describe, expect, test } from 'bun:test'
import {
  dynamicMap,
  FP4 as FP4_VALUES,
  fp4Code,
  nearestCode,
  NF4 as NF4_VALUES,
  nf4Code,
} from '../../core/ops/_codebooks.ts'
import { call, run } from './_header.ts'
import { allocate, BAD_ARGUMENT, BF16, bytesAt, F32, lastError } from './_library.ts'
import { DTYPES, expectClose, fromBf16, normal, onEveryMachine, pack, unpack } from './_numbers.ts'

const [NF4, FP4, INT8, TERNARY] = [0, 1, 2, 3]

/** Copies into memory of the library: a weight descriptor holds addresses. */
function native(values: NodeJS.TypedArray): number {
  const address = allocate(values.byteLength)
  new Uint8Array(bytesAt(address, values.byteLength)).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  )
  return address
}

function describeWeight(kind: number, data: number, scale: number, block = 0): BigInt64Array {
  return BigInt64Array.from([kind, data, scale, 0, block, 0, 0, 0], BigInt)
}

function quantize4bit(
  x: NodeJS.TypedArray,
  n: number,
  block: number,
  kind: number,
  dtype: number = F32,
): { packed: Uint8Array; absmax: Float32Array } {
  const packed = new Uint8Array(Math.ceil(n / 2) + 3).fill(0xee)
  const absmax = new Float32Array(Math.ceil(n / block) + 1).fill(-7)
  run('tt_quantize_4bit', packed, absmax, x, n, block, kind, dtype)
  // Nothing past the end was written.
  expect([...packed.subarray(-3)]).toEqual([0xee, 0xee, 0xee])
  expect(absmax.at(-1)).toBe(-7)
  return { packed: packed.slice(0, -3), absmax: absmax.slice(0, -1) }
}

/** The nearest whole number; of two the even one. */
function roundEven(x: number): number {
  const near = Math.round(x)
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near
}

/** The floats next to the middle of each two values, times the largest magnitude of the block. */
function aroundBorders(values: readonly number[], most: number): Float64Array {
  const rising = values.toSorted((a, b) => a - b)
  const bits = new Int32Array(1)
  const float = new Float32Array(bits.buffer)
  return Float64Array.from(
    rising.slice(1).flatMap((value, i) =>
      Array.from({ length: 65 }, (_, step) => {
        float[0] = ((value + rising[i]) / 2) * most
        bits[0] += step - 32
        return float[0]
      }),
    ),
  )
}

/** Blocks of 64 that begin with the largest magnitude, the last one whole too. */
function blocksOf(values: Float64Array, most: number): Float64Array {
  const blocks = Math.ceil(values.length / 63)
  return Float64Array.from({ length: blocks * 64 }, (_, i) =>
    i % 64 === 0 ? most : (values[(i >> 6) * 63 + (i % 64) - 1] ?? 0),
  )
}

function referenceCodes(x: Float64Array, codeOf: (value: number) => number, most: number): Uint8Array {
  const inverse = Math.fround(1 / most)
  const codes = Array.from(x, (value) => codeOf(Math.fround(value * inverse)))
  return Uint8Array.from({ length: x.length / 2 }, (_, i) => codes[2 * i] * 16 + codes[2 * i + 1])
}

describe('tt_quantize_4bit', () => {
  test('tt_quantize_4bit() gives the same bytes on every machine, whatever the size', () => {
    for (const n of [1, 2, 63, 64, 65, 127, 200, 4096 * 9 + 5]) {
      for (const kind of [NF4, FP4]) {
        for (const dtype of DTYPES) {
          const x = pack(normal(n, n + kind, dtype), dtype)
          let first: ReturnType<typeof quantize4bit> | null = null
          onEveryMachine(() => {
            const got = quantize4bit(x, n, 64, kind, dtype)
            first ??= got
            expect(got).toEqual(first)
          })
        }
      }
    }
  })

  test('tt_quantize_4bit() gives the code of every bf16, and of every float around a border, as the reference does', () => {
    // Blocks of ordinary, tiny, huge and denormal numbers; the reciprocal of the last is Inf.
    const largest = [1, 0.7, 3.3e-5, 1e-37, 3e38, 1e-39].map((value) => fromBf16(pack([value], BF16)[0]))
    const words = Uint16Array.from({ length: 65536 }, (_, i) => i)
    for (const kind of [NF4, FP4])
      for (const most of largest)
        for (const dtype of DTYPES) {
          const every =
            dtype === BF16 ? unpack(words) : aroundBorders(kind === NF4 ? NF4_VALUES : FP4_VALUES, most)
          const x = blocksOf(
            every.filter((value) => Math.abs(value) <= most),
            most,
          )
          const expected = referenceCodes(x, kind === NF4 ? nf4Code : fp4Code, most)
          onEveryMachine(() => {
            const { packed, absmax } = quantize4bit(pack(x, dtype), x.length, 64, kind, dtype)
            expect(Buffer.compare(packed, expected)).toBe(0)
            expect(absmax.every((value) => value === most)).toBe(true)
          })
        }
  })

  test('tt_quantize_4bit() gives 0 for zeros and for NaN, and the ends for the ends', () => {
    const x = new Float32Array(256)
    x.set([3, -3, Number.NaN, 0], 64)
    x.fill(Number.NaN, 128, 192)
    x.set([Number.POSITIVE_INFINITY, 1], 192)
    onEveryMachine(() => {
      const nf4 = quantize4bit(x, 256, 64, NF4)
      expect([...nf4.absmax]).toEqual([0, 3, 0, Number.POSITIVE_INFINITY])
      expect([...nf4.packed.subarray(0, 32)]).toEqual(Array.from({ length: 32 }, () => 0))
      expect([...nf4.packed.subarray(32, 35)]).toEqual([0xf0, 0x07, 0x77])
      expect([...nf4.packed.subarray(64, 96)]).toEqual(Array.from({ length: 32 }, () => 0))
      // Inf·0 is NaN, 1·0 is 0.
      expect(nf4.packed[96]).toBe(0x07)
      const fp4 = quantize4bit(x, 256, 64, FP4)
      expect([...fp4.packed.subarray(32, 35)]).toEqual([0x3b, 0, 0])
    })
  })

  test('tt_dequantize() is within half a step of what was packed, at odd columns too', () => {
    for (const [rows, cols] of [
      [3, 37],
      [1, 1],
      [16, 129],
      [70, 320],
    ]) {
      const n = rows * cols
      for (const dtype of DTYPES) {
        const x = normal(n, cols, dtype)
        const { packed, absmax } = quantize4bit(pack(x, dtype), n, 64, NF4, dtype)
        const weight = describeWeight(NF4, native(packed), native(absmax), 64)
        onEveryMachine(() => {
          const y = pack(new Float64Array(n), dtype)
          run('tt_dequantize', y, weight, rows, cols, dtype)
          // The widest gap between codes is 0.304, at −1.
          const most = unpack(y).map((value, i) => Math.abs(value - x[i]) / absmax[i >> 6])
          expect(Math.max(...most)).toBeLessThan(0.153 + (dtype === BF16 ? 0.004 : 0))
        })
      }
    }
  })
})

describe('tt_quantize_8bit', () => {
  test('tt_quantize_8bit() and back is near, exact at the ends, the same on every machine', () => {
    for (const n of [1, 255, 256, 257, 70001]) {
      const x = Float32Array.from(normal(n, n))
      for (const signed of [1, 0]) {
        const input = signed ? x : x.map(Math.abs)
        let first: Uint8Array | null = null
        onEveryMachine(() => {
          const codes = new Uint8Array(n)
          const absmax = new Float32Array(Math.ceil(n / 256))
          const y = new Float32Array(n)
          run('tt_quantize_8bit', codes, absmax, input, n, 256, signed)
          run('tt_dequantize_8bit', y, codes, absmax, n, 256, signed)
          first ??= codes
          expect(Buffer.compare(codes, first)).toBe(0)
          // The top decade has 64 steps of 0.9 (signed) or 128: half a step, and as much again to 1 and −1.
          expectClose(y, input, { rel: 0, abs: (signed ? 0.0075 : 0.0036) * Math.max(...absmax) })
        })
      }
    }
  })
})

const bits = new DataView(new ArrayBuffer(4))

/** The f32 that is `steps` representable numbers further from 0. */
function neighbour(value: number, steps: number): number {
  bits.setFloat32(0, value)
  bits.setInt32(0, bits.getInt32(0) + steps)
  return bits.getFloat32(0)
}

describe('8-bit codes', () => {
  test('are those of the nearest value beside every midpoint, value and decade', () => {
    for (const signed of [true, false]) {
      const map = dynamicMap(signed)
      const hard = map.flatMap((value, i) => [value, (value + (map[i + 1] ?? value)) / 2])
      for (let decade = -9; decade < 0; decade++) hard.push(10 ** decade, -(10 ** decade))
      const near = hard.flatMap((value) => [-2, -1, 0, 1, 2].map((steps) => neighbour(value, steps)))
      const inside = [...near, 1e-45, -1e-45, -1].filter((value) => Math.abs(value) <= 1)
      // Every block starts with 1: its absmax.
      const x = inside.flatMap((value, i) => (i % 255 === 0 ? [1, value] : [value]))
      const want = Uint8Array.from(x, (value) => nearestCode(map, value))
      onEveryMachine(() => {
        const codes = new Uint8Array(x.length)
        const absmax = new Float32Array(Math.ceil(x.length / 256))
        run('tt_quantize_8bit', codes, absmax, Float32Array.from(x), x.length, 256, Number(signed))
        expect(codes).toEqual(want)
      })
    }
  })
})

describe('tt_quantize_int8 and tt_quantize_ternary', () => {
  test('tt_quantize_int8() rounds half to even and keeps NaN out of the codes', () => {
    // 127/absmax is 2 in the first row: 0.25 → 0.5 → 0, 0.75 → 1.5 → 2.
    const rows = [
      [63.5, 0.25, 0.75, -0.25, -0.75, 1.25],
      [0, 0, 0, 0, 0, 0],
      [1, 2, Number.NaN, 3, 4, 5],
      [1, Number.NEGATIVE_INFINITY, 2, 3, 4, 5],
      [1e-40, -1e-40, 0, 0, 0, 0],
    ]
    onEveryMachine(() => {
      const q = new Int8Array(30).fill(99)
      const absmax = new Float32Array(5)
      run('tt_quantize_int8', q, absmax, Float32Array.from(rows.flat()), 5, 6, F32)
      expect([...q.subarray(0, 24)]).toEqual([127, 0, 2, 0, -2, 2, ...Array.from({ length: 18 }, () => 0)])
      expect([...q.subarray(24)]).toEqual([127, -127, 0, 0, 0, 0])
      expect([...absmax.subarray(0, 4)]).toEqual([63.5, 0, Number.NaN, Number.POSITIVE_INFINITY])
    })
  })

  test('tt_quantize_int8() of rows longer than a vector gives the codes of one number at a time', () => {
    const cols = 101
    const x = normal(7 * cols, 5)
    x[cols + 40] = Number.NaN
    x[2 * cols + 99] = Number.NEGATIVE_INFINITY
    x.fill(0, 3 * cols, 4 * cols)
    for (let i = 4 * cols; i < 5 * cols; i++) x[i] *= 1e-40
    for (let i = 5 * cols; i < 6 * cols; i++) x[i] *= 1e38
    x.fill(-0.3, 6 * cols)
    for (const dtype of DTYPES) {
      const packed = pack(x, dtype)
      const numbers = unpack(packed)
      const codes = Array.from(numbers, (value, i) => {
        const row = numbers.subarray(i - (i % cols), i - (i % cols) + cols)
        const most = row.some(Number.isNaN) ? Number.NaN : Math.max(...row.map(Math.abs))
        const code = Math.fround(value * Math.fround(127 * Math.fround(1 / most)))
        return Number.isFinite(most) && !Number.isNaN(code)
          ? Math.max(-127, Math.min(127, roundEven(code))) + 0
          : 0
      })
      onEveryMachine(() => {
        const q = new Int8Array(x.length)
        run('tt_quantize_int8', q, new Float32Array(7), packed, 7, cols, dtype)
        expect([...q]).toEqual(codes)
      })
    }
  })

  test('tt_quantize_ternary() packs four quarters of the rows and rounds half to 0', () => {
    // Mean magnitude 1: ±0.5 is 0, everything above is ±1.
    const w = Float32Array.of(0.5, -0.5, 1.5, 0.5, -1.5, 1.5, -1, 1)
    onEveryMachine(() => {
      const packed = new Uint8Array(2)
      const scale = new Float32Array(1)
      run('tt_quantize_ternary', packed, scale, w, 4, 2, 0, F32)
      expect(scale[0]).toBe(1)
      const trits = (k: number): number[] => [0, 1, 2, 3].map((p) => ((packed[k] >> (2 * p)) & 3) - 1)
      expect([trits(0), trits(1)]).toEqual([
        [0, 1, -1, -1],
        [0, 0, 1, 1],
      ])
      run('tt_quantize_ternary', packed, scale, new Float32Array(8), 4, 2, 0, F32)
      expect([...packed, scale[0]]).toEqual([0x55, 0x55, Math.fround(1e-5)])
      run('tt_quantize_ternary', packed, scale, w.with(3, Number.NaN), 4, 2, 0, F32)
      expect([...packed, scale[0]]).toEqual([0x55, 0x55, Number.NaN])
    })
  })
})

describe('tt_linear_quantized_forward', () => {
  test('panels of large layers meet: 900 × 3000 nf4 and int8, few rows and many', () => {
    const [cols, out] = [3000, 900]
    const n = cols * out
    const w = normal(n, 1, F32, 0.1)
    const { packed, absmax } = quantize4bit(pack(w, F32), n, 64, NF4)
    const codes = new Int8Array(n)
    const scale = new Float32Array(out)
    run('tt_quantize_int8', codes, scale, Float32Array.from(w), out, cols, F32)
    const weights = [
      describeWeight(NF4, native(packed), native(absmax), 64),
      describeWeight(INT8, native(codes), native(scale)),
    ]
    for (const weight of weights) {
      const numbers = new Float32Array(n)
      run('tt_dequantize', numbers, weight, out, cols, F32)
      for (const rows of [2, 40]) {
        // Whole numbers with 127 in each row: rounding to int8 leaves them.
        const x = Float32Array.from({ length: rows * cols }, (_, i) =>
          i % cols === 0 ? 127 : ((i * 37) % 255) - 127,
        )
        const none = [null, null, null] as const
        const y = new Float32Array(rows * out)
        run(
          'tt_linear_quantized_forward',
          y,
          null,
          x,
          weight,
          null,
          ...none,
          rows,
          cols,
          out,
          0,
          0,
          0,
          0,
          F32,
        )
        const want = new Float32Array(rows * out)
        run('tt_linear_forward', want, null, x, numbers, null, ...none, rows, cols, out, 0, 0, 0, F32)
        const scaleOf = Math.max(...want.map(Math.abs))
        expectClose(y, want, { rel: 0, abs: 3e-6 * scaleOf })

        const [dx, dwant] = [new Float32Array(rows * cols), new Float32Array(rows * cols)]
        const back = [null, null, null, y, null, null] as const
        const sizes = [rows, cols, out, 0, 0, 0, 0, F32] as const
        run('tt_linear_quantized_backward', dx, ...back, weight, ...none, ...sizes)
        run('tt_linear_backward', dwant, null, ...back, numbers, ...none, ...sizes)
        expectClose(dx, dwant, { rel: 0, abs: 3e-6 * Math.max(...dwant.map(Math.abs)) })
      }
    }
  })
})

describe('bad arguments', () => {
  const f = new Float32Array(64)
  const u8 = new Uint8Array(256)
  const address = native(new Float32Array(64))

  function refused(
    name: string,
    word: string,
    ...args: readonly (number | NodeJS.TypedArray | null)[]
  ): void {
    expect(call(name, ...args)).toBe(BAD_ARGUMENT)
    expect(lastError()).toContain(word)
    expect(lastError()).toContain(name)
  }

  test('quantizers refuse null pointers, blocks, kinds and dtypes, and take nothing', () => {
    refused('tt_quantize_4bit', 'packed', null, f, f, 64, 64, NF4, F32)
    refused('tt_quantize_4bit', 'absmax', u8, null, f, 64, 64, NF4, F32)
    refused('tt_quantize_4bit', 'x', u8, f, null, 64, 64, NF4, F32)
    for (const block of [0, -64, 16, 63, 96, 8192])
      refused('tt_quantize_4bit', 'block', u8, f, f, 64, block, NF4, F32)
    refused('tt_quantize_4bit', 'kind', u8, f, f, 64, 64, INT8, F32)
    refused('tt_quantize_4bit', 'dtype', u8, f, f, 64, 64, NF4, 2)
    expect(call('tt_quantize_4bit', null, null, null, 0, 64, NF4, F32)).toBe(0)
    refused('tt_quantize_8bit', 'block', u8, f, f, 64, 0, 1)
    refused('tt_quantize_8bit', 'codes', null, f, f, 64, 256, 1)
    refused('tt_dequantize_8bit', 'absmax', f, u8, null, 64, 256, 1)
    refused('tt_quantize_int8', 'rows', u8, f, f, -1, 4, F32)
    refused('tt_quantize_int8', 'absmax', u8, null, f, 1, 4, F32)
    refused('tt_quantize_ternary', 'multiple of 4', u8, f, f, 6, 4, 0, F32)
    refused('tt_quantize_ternary', 'block', u8, f, f, 4, 4, 2, F32)
    refused('tt_quantize_ternary', 'scale', u8, null, f, 4, 4, 0, F32)
  })

  test('weights are looked at before they are read', () => {
    const good = describeWeight(NF4, address, address, 64)
    refused('tt_dequantize', 'weight is null', f, null, 2, 2, F32)
    refused('tt_dequantize', 'y', null, good, 2, 2, F32)
    refused('tt_dequantize', 'kind', f, describeWeight(4, address, address, 64), 2, 2, F32)
    refused('tt_dequantize', 'kind', f, describeWeight(-1, address, address, 64), 2, 2, F32)
    refused('tt_dequantize', 'block', f, describeWeight(NF4, address, address, 100), 2, 2, F32)
    refused('tt_dequantize', 'data', f, describeWeight(NF4, 0, address, 64), 2, 2, F32)
    refused('tt_dequantize', 'scale', f, describeWeight(INT8, address, 0), 2, 2, F32)
    refused('tt_dequantize', 'nested', f, good.with(0, BigInt(INT8)).with(3, 64n), 2, 2, F32)
    refused('tt_dequantize', 'multiple of 4', f, describeWeight(TERNARY, address, address), 6, 2, F32)
    refused('tt_dequantize', 'dtype', f, good, 2, 2, 2)
    const layer = (
      rows: number,
      rank: number,
      p: number,
      threshold: number,
    ): (number | NodeJS.TypedArray | null)[] => [
      f,
      null,
      f,
      good,
      null,
      rank > 0 ? f : null,
      rank > 0 ? f : null,
      null,
      rows,
      4,
      4,
      rank,
      1,
      p,
      threshold,
      F32,
    ]
    const name = 'tt_linear_quantized_forward'
    refused(name, 'rows', ...layer(-1, 0, 0, 0))
    refused(name, 'xa', ...layer(1, 2, 0, 0))
    refused(name, 'rng', ...layer(1, 2, 0.5, 0))
    refused(name, 'threshold', ...layer(1, 0, 0, -1))
    refused(name, 'threshold', ...layer(1, 0, 0, Number.NaN))
    refused(name, 'weight', ...layer(1, 0, 0, 0).with(3, null))
    const sizes = [1, 4, 4, 0, 1, 0, 0, F32] as const
    const back = 'tt_linear_quantized_backward'
    refused(back, 'dy', f, null, null, null, null, null, null, good, null, null, null, ...sizes)
    refused(back, 'rank 0', f, null, f, null, f, f, null, good, null, null, null, ...sizes)
    expect(
      call(back, f, null, null, null, null, null, null, good, null, null, null, 0, 4, 4, 0, 1, 0, 0, F32),
    ).toBe(0)
  })

  test('lists of parameters name the entry that is wrong', () => {
    const rates = [0.1, 0.9, 0.99, 1e-8, 0, 0.1, 0.01, 1] as const
    const row = [address, 0, address, address, address, 4, F32, 1]
    const table = (...rows: number[][]): BigInt64Array => BigInt64Array.from(rows.flat(), BigInt)
    expect(call('tt_adamw_list', table(row, row), 2, ...rates)).toBe(0)
    expect(call('tt_adamw_list', null, 0, ...rates)).toBe(0)
    refused('tt_adamw_list', 'table', null, 1, ...rates)
    refused('tt_adamw_list', 'm of entry 1', table(row, row.with(2, 0)), 2, ...rates)
    refused('tt_adamw_list', 'w_dtype of entry 0', table(row.with(6, 2)), 1, ...rates)
    refused('tt_adamw_list', 'n of entry 0', table(row.with(5, -1)), 1, ...rates)
    refused('tt_adamw_list', 'count', table(row), -1, ...rates)
    const bad = [0.1, 1, 0.99, 1e-8, 0, 0.1, 0.01, 1] as const
    refused('tt_adamw_list', 'beta1', table(row), 1, ...bad)
    const row8 = [address, 0, address, address, address, address, address, 4, F32, 1]
    expect(call('tt_adamw_8bit', table(row8.with(7, 0)), 1, ...rates)).toBe(0)
    refused('tt_adamw_8bit', 'v_absmax of entry 1', table(row8.with(7, 0), row8.with(5, 0)), 2, ...rates)
    refused('tt_adamw_8bit', 'bias1', table(row8), 1, 0.1, 0.9, 0.99, 1e-8, 0, 0, 0.01, 1)
  })
})
