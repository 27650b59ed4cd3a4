/** Elementwise and broadcasting kernels, emulated, against the CPU library: tails, unaligned pointers, more than one grid. */
import { describe, expect, test } from 'bun:test'
import {
  BF16,
  expectClose,
  expectTwins,
  F32,
  numbersOf,
  onCuda,
  operand,
  random,
  raw,
  refusals,
} from './_twins.ts'

const DTYPES = [F32, BF16] as const
const F16 = 2
/** [n, shift of y, shift of x]: packs with a head and a tail, nothing aligned together, fewer than one pack, aligned. */
const CASES: readonly (readonly [number, number, number])[] = [
  [4103, 0, 0],
  [4103, 3, 3],
  [1031, 1, 2],
  [5, 3, 3],
  [1, 0, 0],
]
/** More than 64 blocks of 256 threads with 64 bytes each: blocks come round again. */
const SEVERAL_GRIDS = 540_001
const blank = (n: number, dtype: number, shift = 0) =>
  operand(new Float64Array(n).fill(Number.NaN), dtype, shift)
const positive = (n: number, seed: number, dtype: number, shift: number) =>
  operand(
    numbersOf(random(n, seed)).map((x) => Math.abs(x) + 0.1),
    dtype,
    shift,
  )

describe('flat kernels give what the CPU gives', () => {
  for (const [n, ys, xs] of CASES) {
    test(`tt_affine, tt_add_to, tt_fill of ${n}, shifted by ${ys} and ${xs}`, () => {
      for (const dtype of DTYPES) {
        expectTwins('tt_affine', [blank(n, dtype, ys), random(n, 1, dtype, xs), n, -1.5, 0.25, dtype])
        expectTwins('tt_fill', [blank(n, dtype, ys), n, 0.3, dtype])
        for (const other of DTYPES)
          expectTwins('tt_add_to', [random(n, 2, dtype, ys), random(n, 3, other, xs), n, dtype, other])
      }
    })

    test(`tt_cast of ${n}, shifted by ${ys} and ${xs}`, () => {
      for (const to of DTYPES)
        for (const from of DTYPES)
          expectTwins('tt_cast', [blank(n, to, ys), random(n, 4, from, xs), n, to, from], { f32: 0, bf16: 0 })
      const halves = raw(new Uint16Array(n), ys)
      const [asF16] = expectTwins('tt_cast', [halves, random(n, 5, F32, xs), n, F16, F32])
      expectTwins('tt_cast', [blank(n, F32, ys), { ...asF16, shift: xs }, n, F32, F16], { f32: 0 })
      expectTwins('tt_cast', [blank(n, BF16, ys), { ...asF16, shift: xs }, n, BF16, F16], { bf16: 0 })
      const numbers = Array.from({ length: n }, (_, i) => ((i * 7919) % 256) - 100)
      const integers = [Int32Array.from(numbers), Uint8Array.from(numbers), Int8Array.from(numbers)]
      for (const [k, x] of integers.entries())
        expectTwins('tt_cast', [blank(n, F32, ys), raw(x, xs), n, F32, 3 + k], { f32: 0 })
    })

    test(`every function of one variable of ${n}, shifted by ${ys} and ${xs}`, () => {
      for (const dtype of DTYPES) {
        for (let op = 0; op < 16; op++) {
          const x = op >= 2 && op <= 4 ? positive(n, 6, dtype, xs) : random(n, 6, dtype, xs)
          expectTwins('tt_unary_forward', [blank(n, dtype, ys), x, n, op, dtype])
          expectTwins('tt_unary_backward', [blank(n, dtype, ys), random(n, 7, dtype, xs), x, n, op, dtype])
        }
      }
    })

    test(`gated functions and dropout of ${n}, shifted by ${ys} and ${xs}`, () => {
      for (const dtype of DTYPES) {
        const inputs = [8, 9, 10].map((seed) => random(n, seed, dtype, xs))
        const outputs = [blank(n, dtype, ys), blank(n, dtype, ys)]
        const [dh, gate, up] = inputs
        expectTwins('tt_swiglu_forward', [outputs[0], gate, up, n, dtype])
        expectTwins('tt_swiglu_backward', [...outputs, dh, gate, up, n, dtype])
        for (const approximation of [0, 1]) {
          expectTwins('tt_geglu_forward', [outputs[0], gate, up, n, approximation, dtype])
          expectTwins('tt_geglu_backward', [...outputs, dh, gate, up, n, approximation, dtype])
        }
        for (const offset of [0, 3, 2 ** 32 - 2]) {
          const rng = Uint32Array.of(11, 12, 13, 14, offset, 1)
          expectTwins('tt_dropout', [outputs[0], dh, rng, n, 0.3, dtype])
        }
        expectTwins('tt_dropout', [outputs[0], dh, Uint32Array.of(1, 2, 3, 4, 5, 6), n, 1, dtype])
      }
    })
  }

  test('more elements than one grid holds', () => {
    const n = SEVERAL_GRIDS
    expectTwins('tt_affine', [blank(n, BF16), random(n, 1, BF16), n, 2, 1, BF16])
    expectTwins('tt_affine', [blank(n, F32, 1), random(n, 1, F32, 2), n, 2, 1, F32])
    expectTwins('tt_swiglu_backward', [
      blank(n, F32),
      blank(n, F32),
      ...[1, 2, 3].map((s) => random(n, s)),
      n,
      F32,
    ])
    expectTwins('tt_dropout', [
      blank(n, BF16),
      random(n, 1, BF16),
      Uint32Array.of(1, 2, 3, 4, 5, 0),
      n,
      0.5,
      BF16,
    ])
  })

  test('infinities and NaN', () => {
    const special = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-40, 88.9, -110, 3e38, -3e38]
    for (const dtype of DTYPES) {
      for (let op = 0; op < 16; op++) {
        // The reciprocals of what bf16 and f32 keep of a denormal differ: the CPU of some machines takes it for 0.
        const x = operand(
          op === 2 || op === 4 || op === 12 ? special.filter((v) => v !== 1e-40) : special,
          dtype,
        )
        const n = x.bits.length
        expectTwins('tt_unary_forward', [blank(n, dtype), x, n, op, dtype])
      }
    }
  })

  test('sine and cosine of large angles', () => {
    const angles = [
      8192.5,
      -8193,
      1e5,
      -123456.789,
      6.0221e10,
      3e38,
      -1.7e30,
      16777216,
      355,
      2 ** 100,
      105414.35,
      1e22,
    ]
    const x = operand(angles)
    const [n, exact] = [angles.length, numbersOf(x)]
    const [sines] = onCuda('tt_unary_forward', blank(n, F32), x, n, 9, F32)
    const [cosines] = onCuda('tt_unary_forward', blank(n, F32), x, n, 10, F32)
    expectClose('sin', numbersOf(sines), exact.map(Math.sin), 2e-7)
    expectClose('cos', numbersOf(cosines), exact.map(Math.cos), 2e-7)
  })
})

describe('tt_binary', () => {
  /** [dims, elements of a, of b] */
  const SHAPES: readonly (readonly [
    string,
    readonly (readonly [number, number, number])[],
    number,
    number,
  ])[] = [
    ['a scalar pair', [], 1, 1],
    [
      'rows and a vector',
      [
        [37, 64, 0],
        [64, 1, 1],
      ],
      37 * 64,
      64,
    ],
    [
      'rows and a column',
      [
        [37, 64, 1],
        [64, 1, 0],
      ],
      37 * 64,
      37,
    ],
    [
      'a vector and a column',
      [
        [9, 0, 1],
        [72, 1, 0],
      ],
      72,
      9,
    ],
    [
      'odd rows and a vector',
      [
        [5, 33, 0],
        [33, 1, 1],
      ],
      5 * 33,
      33,
    ],
    [
      'a transposed operand',
      [
        [24, 1, 40],
        [40, 24, 1],
      ],
      960,
      960,
    ],
    ['one number and an array', [[1000, 0, 1]], 1, 1000],
    ['both repeated', [[16, 0, 0]], 1, 1],
    [
      'eight dimensions',
      [
        [2, 0, 8],
        [2, 1, 0],
        [1, 5, 5],
        [2, 2, 4],
        [2, 0, 0],
        [3, 4, 1],
        [2, 0, 2],
        [2, 12, 0],
      ],
      32,
      32,
    ],
    ['a walk backwards', [[50, -1, 1]], 50, 50],
  ]
  for (const [name, dims, as, bs] of SHAPES) {
    test(name, () => {
      const n = dims.reduce((all, [size]) => all * size, 1)
      const flat = BigInt64Array.from(dims.flat(), BigInt)
      for (const dtype of DTYPES) {
        for (const [ys, shift] of [
          [0, 0],
          [1, 2],
        ]) {
          for (let op = 0; op <= 8; op++) {
            // A negative stride starts at the last element: the pointer is not the array's, so a is repeated instead.
            const table = name === 'a walk backwards' ? BigInt64Array.of(50n, 0n, 1n) : flat
            const b = op === 3 || op === 6 ? positive(bs, 2, dtype, shift) : random(bs, 2, dtype, shift)
            const a = op === 6 ? positive(as, 1, dtype, shift) : random(as, 1, dtype, shift)
            expectTwins('tt_binary', [blank(n, dtype, ys), a, b, table, table.length / 3, op, dtype])
          }
        }
      }
    })
  }

  test('more elements than one grid holds, broadcast', () => {
    const [rows, cols] = [500, 264]
    const dims = BigInt64Array.of(BigInt(rows), BigInt(cols), 0n, BigInt(cols), 1n, 1n)
    expectTwins('tt_binary', [
      blank(rows * cols, F32),
      random(rows * cols, 1),
      random(cols, 2),
      dims,
      2,
      0,
      F32,
    ])
  })

  test('maximum and minimum pass NaN on', () => {
    const dims = BigInt64Array.of(3n, 1n, 1n)
    for (const op of [4, 5]) {
      const [y] = onCuda(
        'tt_binary',
        blank(3, F32),
        operand([Number.NaN, 1, 2]),
        operand([0, Number.NaN, 3]),
        dims,
        1,
        op,
        F32,
      )
      expect([...numbersOf(y)]).toEqual([Number.NaN, Number.NaN, op === 4 ? 3 : 2])
    }
  })
})

describe('calls that are refused say what the CPU says', () => {
  const x = random(4, 1)
  const dims = BigInt64Array.of(4n, 1n, 1n)
  const CALLS: readonly Parameters<typeof refusals>[] = [
    ['tt_cast', x, x, 4, 3, 0],
    ['tt_cast', x, x, 4, 1, 4],
    ['tt_cast', x, x, 4, 0, 9],
    ['tt_cast', null, x, 4, 0, 1],
    ['tt_fill', x, 4, 1, 2],
    ['tt_affine', x, null, 4, 1, 1, 0],
    ['tt_add_to', x, x, 4, 0, 2],
    ['tt_unary_forward', x, x, 4, 16, 0],
    ['tt_unary_backward', x, null, x, 4, 0, 0],
    ['tt_swiglu_forward', x, x, null, 4, 0],
    ['tt_geglu_backward', x, null, x, x, x, 4, 0, 0],
    ['tt_dropout', x, x, Uint32Array.of(0, 0, 0, 0, 0, 0), 4, 1.5, 0],
    ['tt_dropout', x, x, null, 4, 0.5, 0],
    ['tt_binary', x, x, x, dims, 9, 0, 0],
    ['tt_binary', x, x, null, dims, 1, 0, 0],
    ['tt_binary', x, x, x, BigInt64Array.of(-1n, 1n, 1n), 1, 0, 0],
    ['tt_binary', x, x, x, dims, 1, 9, 0],
    ['tt_softmax_forward', x, x, 1, 0, 0],
    ['tt_softmax_backward', x, x, null, 1, 4, 0],
    ['tt_reduce', x, x, 1, 0, 1, 1, 0],
    ['tt_reduce', x, x, 1, 4, 1, 3, 0],
    ['tt_sum_squares', null, x, 4, 0],
    ['tt_strided_copy', x, x, BigInt64Array.of(2n, 0n, 1n), 1, 0, 0],
    ['tt_strided_copy', x, x, dims, 1, 1, 3],
    ['tt_gather_rows', x, x, null, 1, 1, 1, 0],
    ['tt_scatter_add_rows', x, x, x, -1, 1, 1, 0],
    ['tt_adamw', x, null, x, x, x, 4, 1, 1, 0.9, 1, 1, 1, 1, 1, 0],
    ['tt_adamw_list', BigInt64Array.of(1n, 0n, 1n, 1n, 0n, 4n, 0n, 0n), 1, 1, 0.9, 0.9, 1, 1, 1, 1, 1],
    [
      'tt_adamw_8bit',
      BigInt64Array.of(1n, 0n, 1n, 1n, 1n, 1n, 1n, 4n, 7n, 0n),
      1,
      1,
      0.9,
      0.9,
      1,
      1,
      1,
      1,
      1,
    ],
    ['tt_sample', raw(new Int32Array(1)), x, null, null, 1, 4, 0, 1, 0, 1, 1, 0],
    ['tt_sample', raw(new Int32Array(1)), x, null, null, 1, 0, 0, 0, 0, 1, 1, 0],
  ]
  for (const [index, given] of CALLS.entries()) {
    test(`${given[0]} (${index})`, () => {
      const [cuda, cpu] = refusals(...given)
      expect(cuda).not.toBe('')
      expect(cuda.split('; ')[0]).toContain(cpu)
    })
  }

  test('nothing to do is not refused', () => {
    expect(refusals('tt_affine', null, null, 0, 1, 1, 0)).toEqual(['', ''])
    expect(refusals('tt_gather_rows', null, null, null, 0, 4, 4, 0)).toEqual(['', ''])
    expect(refusals('tt_adamw_list', null, 0, 1, 0.9, 0.9, 1, 1, 1, 1, 1)).toEqual(['', ''])
    expect(refusals('tt_sample', null, null, null, null, 0, 4, 0, 0, 0, 1, 1, 0)).toEqual(['', ''])
  })
})
