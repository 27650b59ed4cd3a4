/**
 * Products with packed weights on the emulated CUDA kernels against f64: every kernel, with sizes at its edges.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { as, DTYPE, type Kind, noise, openRaw, type RawDevice, read } from './_raw.ts'

const { fround } = Math
const device: RawDevice = openRaw()
const { call } = device
afterEach(() => device.freeAll())

const TOLERANCE = { f32: 2e-5, bf16: 1e-2 } as const
const DTYPES: readonly Kind[] = ['f32', 'bf16']
const NF4: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]

// ---- weights ------------------------------------------------------------------------------------------------------------

interface Weight {
  /** The int64[8] of tritune.h. */
  readonly descriptor: BigInt64Array
  /** (out, in) */
  readonly values: Float64Array
  readonly rounds: boolean
}

type WeightKind = 'nf4' | 'nested' | 'int8' | 'ternary'

function makeWeight(kind: WeightKind, out: number, input: number, block = 64): Weight {
  const n = out * input
  const values = new Float64Array(n)
  const bytes = Uint8Array.from(noise(n, n + 1), (v) => Math.floor((v + 1) * 128))
  if (kind === 'int8') {
    const data = Int8Array.from(bytes, (byte) => Math.max(-127, byte - 128))
    const scale = noise(out, 5).map((v) => 0.5 + Math.abs(v))
    for (let i = 0; i < n; i++) values[i] = data[i] * fround(scale[Math.floor(i / input)] / 127)
    return { descriptor: describeWeight(2, device.put(data), device.put(scale)), values, rounds: true }
  }
  if (kind === 'ternary') {
    const quarter = n / 4
    const data = new Uint8Array(quarter)
    for (let i = 0; i < n; i++) {
      const trit = (bytes[i] % 3) - 1
      values[i] = trit * 0.75
      data[i % quarter] |= (trit + 1) << (2 * Math.floor(i / quarter))
    }
    return {
      descriptor: describeWeight(3, device.put(data), device.put(Float32Array.of(0.75))),
      values,
      rounds: true,
    }
  }
  const blocks = Math.ceil(n / block)
  const codes = bytes.map((byte) => byte & 15)
  const packed = new Uint8Array(Math.ceil(n / 2))
  for (const [i, code] of codes.entries()) packed[i >> 1] |= i % 2 ? code : code << 4
  if (kind === 'nf4') {
    const absmax = noise(blocks, 6).map((v) => 0.2 + Math.abs(v))
    for (let i = 0; i < n; i++) values[i] = fround(fround(NF4[codes[i]]) * absmax[Math.floor(i / block)])
    return {
      descriptor: describeWeight(0, device.put(packed), device.put(absmax), block),
      values,
      rounds: false,
    }
  }
  // 127 and 255 are the codes of 0 and 1.
  const scale = Uint8Array.from({ length: blocks }, (_, b) => (b % 3 ? 255 : 127))
  const nested = noise(Math.ceil(blocks / 256), 7).map((v) => 0.2 + Math.abs(v))
  const offset = 0.25
  for (let i = 0; i < n; i++) {
    const b = Math.floor(i / block)
    values[i] = fround(NF4[codes[i]] * fround((b % 3 ? nested[b >> 8] : 0) + offset))
  }
  const descriptor = describeWeight(0, device.put(packed), device.put(scale), block)
  descriptor[3] = BigInt(device.put(nested))
  descriptor[5] = BigInt(new Uint32Array(Float32Array.of(offset).buffer)[0])
  return { descriptor, values, rounds: false }
}

function describeWeight(kind: number, data: number, scale: number, block = 0): BigInt64Array {
  return BigInt64Array.from([kind, data, scale, 0, block, 0, 0, 0], BigInt)
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  return x - floor === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(x)
}

// ---- reference -----------------------------------------------------------------------------------------------------------

/** Rows rounded to int8 and back, but for columns with a magnitude of `threshold`. */
function roundRows(x: Float32Array, input: number, threshold: number): Float64Array {
  const outlier = new Uint8Array(input)
  if (threshold > 0) for (const [i, v] of x.entries()) if (Math.abs(v) >= threshold) outlier[i % input] = 1
  const tops = new Float64Array(x.length / input)
  for (const [i, v] of x.entries()) {
    const row = Math.floor(i / input)
    if (!outlier[i % input]) tops[row] = Math.max(tops[row], Math.abs(v))
  }
  return Float64Array.from(x, (value, i) => {
    const top = tops[Math.floor(i / input)]
    if (outlier[i % input]) return value
    return top > 0 ? (roundHalfEven(fround(value * fround(127 * fround(1 / top)))) * top) / 127 : 0
  })
}

/** a (m,k)·b (n,k)ᵀ */
function product(a: ArrayLike<number>, b: ArrayLike<number>, m: number, n: number, k: number): Float64Array {
  const c = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let l = 0; l < k; l++) sum += a[i * k + l] * b[j * k + l]
      c[i * n + j] = sum
    }
  return c
}

interface Case {
  readonly rows: number
  readonly out: number
  readonly input: number
  readonly rank?: number
  readonly bias?: boolean
  readonly threshold?: number
  /** Columns of x made large. */
  readonly large?: readonly number[]
  readonly block?: number
}

function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  let largest = 0
  let worst = 0
  let at = -1
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]))
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i] - expected[i])
    if (!(error <= worst)) [worst, at] = [error, i]
  }
  if (!(worst <= tolerance * largest))
    throw new Error(`element ${at}: got ${got[at]}, expected ${expected[at]}, largest ${largest}`)
}

function expectForward(kind: WeightKind, dtype: Kind, c: Case): void {
  const { rows, out, input, rank = 0, threshold = 0, large = [] } = c
  const weight = makeWeight(kind, out, input, c.block)
  const numbers = noise(rows * input, 3)
  for (const column of large) for (let r = 0; r < rows; r += 2) numbers[r * input + column] *= 20
  const x = as(dtype, numbers)
  const bias = as(dtype, noise(out, 4))
  const a = noise(rank * input, 8)
  const b = noise(out * rank, 9)
  const y = device.space(rows * out * 4)
  const xa = device.space(rows * rank * 4)
  call.tt_linear_quantized_forward(
    y,
    xa,
    device.put(x.array),
    weight.descriptor,
    c.bias ? device.put(bias.array) : 0,
    rank ? device.put(a) : 0,
    rank ? device.put(b) : 0,
    null,
    rows,
    input,
    out,
    rank,
    0.5,
    0,
    threshold,
    DTYPE[dtype],
    0,
  )
  const seen = weight.rounds ? roundRows(x.values, input, threshold) : x.values
  const expected = product(seen, weight.values, rows, out, input)
  if (rank) {
    const down = product(x.values, a, rows, rank, input)
    expectClose(device.get(new Float32Array(rows * rank), xa), down, TOLERANCE[dtype])
    const update = product(down, b, rows, out, rank)
    for (let i = 0; i < expected.length; i++) expected[i] += 0.5 * update[i]
  }
  if (c.bias) for (let i = 0; i < expected.length; i++) expected[i] += bias.values[i % out]
  expectClose(read(device, dtype, rows * out, y), expected, TOLERANCE[dtype])
}

// ---- forward ---------------------------------------------------------------------------------------------------------------

describe('tt_linear_quantized_forward', () => {
  const FEW: readonly Case[] = [
    { rows: 1, out: 16, input: 64 },
    { rows: 3, out: 37, input: 192, bias: true },
    { rows: 8, out: 40, input: 2560, block: 128 },
    { rows: 9, out: 33, input: 640, block: 4096, bias: true },
    { rows: 16, out: 16, input: 2624 },
  ]
  for (const c of FEW)
    for (const kind of ['nf4', 'nested'] as const)
      test(`${kind}, ${c.rows} rows of ${c.input} to ${c.out} in bf16, weights as they are`, () =>
        expectForward(kind, 'bf16', c))

  const INT8: readonly Case[] = [
    { rows: 1, out: 16, input: 16 },
    { rows: 5, out: 36, input: 112, bias: true },
    { rows: 16, out: 44, input: 2608 },
    { rows: 9, out: 20, input: 77 }, // no whole 16 bytes
    { rows: 17, out: 36, input: 50, bias: true },
    { rows: 140, out: 132, input: 336 },
  ]
  for (const dtype of DTYPES) {
    for (const kind of ['int8', 'ternary'] as const)
      for (const c of INT8)
        test(`${kind}, ${c.rows} rows of ${c.input} to ${c.out} in ${dtype}`, () =>
          expectForward(kind, dtype, c))

    for (const rows of [6, 40])
      test(`int8, outlier columns of ${rows} rows in ${dtype}`, () => {
        const sizes = { rows, out: 24, input: 80, bias: true, threshold: 6 }
        expectForward('int8', dtype, sizes) // none
        expectForward('int8', dtype, { ...sizes, large: [0, 3, 79] })
        expectForward('int8', dtype, { ...sizes, large: Array.from({ length: 41 }, (_, i) => i) })
        expectForward('int8', dtype, { ...sizes, threshold: 1e-30 }) // all
      })
  }

  for (const dtype of DTYPES)
    for (const [kind, rows, rank] of [
      ['nf4', 5, 3],
      ['nested', 20, 5],
      ['int8', 40, 20],
      ['ternary', 4, 9],
      ['ternary', 33, 17],
    ] as const)
      test(`${kind}, ${rows} rows in ${dtype} with LoRA of rank ${rank}`, () =>
        expectForward(kind, dtype, { rows, out: 36, input: 128, bias: true, rank }))

  test('int8 of more than 1024 columns lists outliers in order', () =>
    expectForward('int8', 'f32', {
      rows: 2,
      out: 8,
      input: 2064,
      threshold: 6,
      large: [5, 1023, 1024, 2063],
    }))

  test('int8 of a row with NaN or Inf is NaN, other rows are not', () => {
    const weight = makeWeight('int8', 16, 32)
    const x = noise(3 * 32, 1)
    x[3] = NaN
    x[40] = Infinity
    const y = device.space(3 * 16 * 4)
    call.tt_linear_quantized_forward(
      y,
      0,
      device.put(x),
      weight.descriptor,
      0,
      0,
      0,
      null,
      3,
      32,
      16,
      0,
      0,
      0,
      0,
      0,
      0,
    )
    const got = [...device.get(new Float32Array(48), y)]
    expect(got.slice(0, 32).every(Number.isNaN)).toBe(true)
    expect(got.slice(32).every(Number.isFinite)).toBe(true)
  })
})
