/** Strided copies, gathers, scatters and reductions, emulated, against the CPU library and plain sums. */
import { describe, expect, test } from 'bun:test'
import { randomNumbers } from '../native/_matrix.ts'
import { cudaLibrary, integersOnDevice, onDevice } from './_device.ts'
import { BF16, expectClose, expectTwins, F32, numbersOf, onCuda, operand, random, raw } from './_twins.ts'

const DTYPES = [F32, BF16] as const
const [U8, I32] = [4, 3]
const blank = (n: number, dtype: number, shift = 0) =>
  operand(new Float64Array(n).fill(Number.NaN), dtype, shift)
type Dims = readonly (readonly [number, number, number])[]
const tableOf = (dims: Dims) => BigInt64Array.from(dims.flat(), BigInt)

describe('tt_strided_copy gives what the CPU gives', () => {
  /** [name, dims, elements of y, of x]: which way a copy takes stands beside it. */
  const COPIES: readonly (readonly [string, Dims, number, number])[] = [
    ['one element', [], 1, 1],
    ['all of it', [[1000, 1, 1]], 1000, 1000],
    [
      'a transpose, words in tiles',
      [
        [130, 1, 68],
        [68, 130, 1],
      ],
      130 * 68,
      130 * 68,
    ],
    [
      'a transpose of odd sizes',
      [
        [67, 1, 131],
        [131, 67, 1],
      ],
      67 * 131,
      67 * 131,
    ],
    [
      'batches of transposes',
      [
        [3, 64 * 20, 64 * 20],
        [64, 1, 20],
        [20, 64, 1],
      ],
      3 * 64 * 20,
      3 * 64 * 20,
    ],
    [
      'heads before tokens, in packs',
      [
        [3, 5 * 64, 64],
        [5, 64, 3 * 64],
        [64, 1, 1],
      ],
      960,
      960,
    ],
    [
      'a slice of rows',
      [
        [9, 40, 72],
        [40, 1, 1],
      ],
      360,
      648,
    ],
    [
      'a slice of odd rows',
      [
        [9, 13, 29],
        [13, 1, 1],
      ],
      117,
      261,
    ],
    [
      'into padded rows',
      [
        [9, 72, 40],
        [40, 1, 1],
      ],
      648,
      360,
    ],
    [
      'a column repeated',
      [
        [21, 64, 1],
        [64, 1, 0],
      ],
      1344,
      21,
    ],
    [
      'a column repeated, odd',
      [
        [21, 33, 1],
        [33, 1, 0],
      ],
      693,
      21,
    ],
    ['a number repeated', [[777, 1, 0]], 777, 1],
    [
      'a vector repeated',
      [
        [17, 48, 0],
        [48, 1, 1],
      ],
      816,
      48,
    ],
    ['every other element', [[50, 2, 2]], 100, 100],
    [
      'a narrow transpose',
      [
        [100, 1, 4],
        [4, 100, 1],
      ],
      400,
      400,
    ],
    [
      'five dimensions',
      [
        [2, 60, 1],
        [3, 20, 2],
        [2, 10, 60],
        [5, 2, 6],
        [2, 1, 30],
      ],
      120,
      120,
    ],
  ]
  for (const [name, dims, ys, xs] of COPIES) {
    test(name, () => {
      const table = tableOf(dims)
      for (const shift of [0, 1]) {
        for (const dtype of DTYPES) {
          const y = random(ys, 1, dtype)
          expectTwins('tt_strided_copy', [y, random(xs, 2, dtype, shift), table, dims.length, 0, dtype], {
            f32: 0,
            bf16: 0,
          })
          expectTwins('tt_strided_copy', [y, random(xs, 2, dtype, shift), table, dims.length, 1, dtype])
        }
        const bytes = (n: number, k: number) =>
          raw(
            Uint8Array.from({ length: n }, (_, i) => (i * k) & 255),
            shift,
          )
        expectTwins('tt_strided_copy', [bytes(ys, 7), bytes(xs, 31), table, dims.length, 0, U8])
        const ids = (n: number, k: number) =>
          raw(
            Int32Array.from({ length: n }, (_, i) => i * k - 99),
            shift,
          )
        expectTwins('tt_strided_copy', [ids(ys, 7), ids(xs, 31), table, dims.length, 0, I32])
      }
    })
  }

  test('more tiles and units than one grid', () => {
    const [rows, cols] = [1000, 520]
    const dims = tableOf([
      [rows, 1, cols],
      [cols, rows, 1],
    ])
    expectTwins(
      'tt_strided_copy',
      [blank(rows * cols, BF16), random(rows * cols, 3, BF16), dims, 2, 0, BF16],
      { bf16: 0 },
    )
    const slices = tableOf([
      [rows, 300, cols],
      [300, 1, 1],
    ])
    expectTwins('tt_strided_copy', [blank(rows * 300, F32), random(rows * cols, 4), slices, 2, 0, F32], {
      f32: 0,
    })
  })
})

describe('tt_gather_rows', () => {
  for (const [cols, shift] of [
    [64, 0],
    [37, 0],
    [6, 1],
    [1, 0],
  ]) {
    test(`rows of ${cols}, shifted by ${shift}`, () => {
      const index = Int32Array.from({ length: 41 }, (_, i) => (i * 13) % 17)
      for (const dtype of DTYPES) {
        const table = random(17 * cols, 5, dtype, shift)
        expectTwins(
          'tt_gather_rows',
          [blank(41 * cols, dtype, shift), table, raw(index), 41, cols, 17, dtype],
          { f32: 0, bf16: 0 },
        )
      }
      const bytes = raw(
        Uint8Array.from({ length: 17 * cols }, (_, i) => i & 255),
        shift,
      )
      expectTwins('tt_gather_rows', [raw(new Uint8Array(41 * cols)), bytes, raw(index), 41, cols, 17, U8])
    })
  }

  test('an index out of range is reported by the next call that waits, once', () => {
    const gather = (index: number[]) =>
      onCuda('tt_gather_rows', blank(8, F32), random(12, 1), raw(Int32Array.from(index)), 2, 4, 3, F32)
    expect(() => gather([0, 3])).toThrow('a row index of gather_rows is out of range: 3, allowed 0..2')
    expect(() => gather([-1, 0])).toThrow('a row index of gather_rows is out of range: -1, allowed 0..2')
    expect(() => gather([2, 0])).not.toThrow()
  })
})

describe('tt_scatter_add_rows', () => {
  /** The sums in f64. */
  function reference(table: Float64Array, dy: Float64Array, index: Int32Array, cols: number): Float64Array {
    const sums = table.slice()
    for (const [i, row] of index.entries())
      for (let c = 0; c < cols; c++) sums[row * cols + c] += dy[i * cols + c]
    return sums
  }

  /** [rows, cols, table rows, how often the row is row 3, shift] */
  const SCATTERS: readonly (readonly [number, number, number, number, number])[] = [
    [1, 8, 1, 0, 0],
    [31, 37, 5, 0, 0], // one piece
    [32, 8, 40, 0.5, 1],
    [300, 24, 7, 0, 0], // runs over several pieces
    [5000, 8, 70_000, 0.6, 0], // three digits, a run of many pieces, several tiles of keys
    [2048, 4, 300, 1, 0], // one run
    [700, 1030, 300, 0.2, 0], // several blocks of columns
  ]
  for (const [rows, cols, tableRows, share, shift] of SCATTERS) {
    test(`${rows} rows of ${cols} into ${tableRows}`, () => {
      const chance = randomNumbers(rows, 9)
      const index = Int32Array.from(chance, (x, i) =>
        x < 2 * share - 1 ? 3 % tableRows : ((i * 7919) ^ (i >> 3)) % tableRows,
      )
      for (const dtype of DTYPES) {
        const table = random(tableRows * cols, 6, F32, shift)
        const dy = random(rows * cols, 7, dtype, shift)
        const run = () =>
          onCuda('tt_scatter_add_rows', table, dy, raw(index), rows, cols, tableRows, dtype)[0]
        const sums = run()
        expectClose('table', numbersOf(sums), reference(numbersOf(table), numbersOf(dy), index, cols), 2e-6)
        expect(run().bits).toEqual(sums.bits)
      }
    })
  }

  test('indices out of range are reported and add nothing', () => {
    const index = Int32Array.of(2, -1, 0, 3, 2)
    using table = onDevice([...new Float64Array(12)])
    using dy = onDevice(new Float64Array(20).fill(1))
    using ids = integersOnDevice(index)
    const { call } = cudaLibrary()
    call.tt_scatter_add_rows(table.address, dy.address, ids.address, 5, 4, 3, F32, 0)
    expect(() => call.tt_synchronize(0)).toThrow(
      /a row index of scatter_add_rows is out of range: (-1|3), allowed 0\.\.2/,
    )
    expect([...table.values()]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2])
  })
})

describe('tt_reduce', () => {
  /** [outer, n, inner] */
  const SHAPES: readonly (readonly [number, number, number])[] = [
    [1, 1, 1],
    [5, 37, 1], // a warp a row, one by one
    [70, 64, 1], // in packs
    [3, 5000, 1], // a block a row
    [2, 131_085, 1], // cut in parts
    [3, 19, 8], // columns, in packs
    [2, 37, 5],
    [1, 3000, 24], // columns, cut in parts twice
    [40, 3, 1000],
  ]
  for (const [outer, n, inner] of SHAPES) {
    test(`(${outer}, ${n}, ${inner})`, () => {
      for (const dtype of DTYPES) {
        for (const op of [0, 1, 2]) {
          for (const shift of [0, 1]) {
            const x = random(outer * n * inner, 8, dtype, shift)
            const y = blank(outer * inner, dtype, shift)
            const [got] = onCuda('tt_reduce', y, x, outer, n, inner, op, dtype)
            const [expected, magnitude] = reduced(numbersOf(x), outer, n, inner, op)
            const allowed = op === 2 ? 0 : (dtype === BF16 ? 2 ** -8 : 0) + 1e-6 * magnitude
            expectClose('y', numbersOf(got), expected, allowed)
          }
        }
      }
    })
  }

  test('NaN wins', () => {
    const x = random(200 * 6, 3)
    x.bits[77] = Number.NaN
    for (const op of [0, 2]) {
      const [rows] = onCuda('tt_reduce', blank(6, F32), x, 6, 200, 1, op, F32)
      expect(numbersOf(rows).findIndex(Number.isNaN)).toBe(0)
      const [columns] = onCuda('tt_reduce', blank(6, F32), x, 1, 200, 6, op, F32)
      expect(numbersOf(columns).findIndex(Number.isNaN)).toBe(77 % 6)
    }
    expectTwins('tt_reduce', [blank(2, F32), operand([-Infinity, -Infinity, -3, -Infinity]), 2, 2, 1, 2, F32])
  })

  test('the sum of nothing is 0', () => {
    expectTwins('tt_reduce', [blank(6, BF16), null, 3, 0, 2, 0, BF16])
  })
})

describe('tt_softmax', () => {
  /** [rows, cols, shift]: held in registers, read again, one by one. */
  for (const [rows, cols, shift] of [
    [3, 64, 0],
    [2, 9216, 0],
    [4, 37, 0],
    [2, 1500, 1],
    [1, 1, 0],
  ]) {
    test(`${rows} rows of ${cols}, shifted by ${shift}`, () => {
      for (const dtype of DTYPES) {
        const x = operand(
          randomNumbers(rows * cols, 4).map((v) => v * 9),
          dtype,
          shift,
        )
        const [y] = expectTwins('tt_softmax_forward', [
          blank(rows * cols, dtype, shift),
          x,
          rows,
          cols,
          dtype,
        ])
        const dy = random(rows * cols, 5, dtype, shift)
        expectTwins('tt_softmax_backward', [
          blank(rows * cols, dtype, shift),
          dy,
          { ...y, shift },
          rows,
          cols,
          dtype,
        ])
      }
    })
  }

  test('masked and broken rows', () => {
    const rows = [
      1,
      -Infinity,
      2,
      3,
      Number.NaN,
      1,
      2,
      3,
      Infinity,
      1,
      2,
      3,
      -Infinity,
      -Infinity,
      -Infinity,
      -Infinity,
    ]
    expectTwins('tt_softmax_forward', [blank(16, F32), operand(rows), 4, 4, F32])
  })
})

describe('sums of squares and the search for NaN and Inf', () => {
  for (const n of [1, 4103, 100_003]) {
    for (const shift of [0, 1]) {
      test(`${n} elements, shifted by ${shift}`, () => {
        for (const dtype of DTYPES) {
          const x = random(n, 3, dtype, shift)
          const cell = raw(Float64Array.of(0.125))
          const run = () => onCuda('tt_sum_squares', cell, x, n, dtype)[0]
          const sum = run()
          const expected = numbersOf(x).reduce((total, v) => total + v * v, 0.125)
          expect(Math.abs(sum.bits[0] - expected)).toBeLessThan(1e-12 * expected)
          expect(run().bits).toEqual(sum.bits)

          const found = new BigInt64Array(1)
          onCuda('tt_find_nonfinite', found, x, n, dtype)
          expect(found[0]).toBe(-1n)
          for (const at of new Set([n - 1, n >> 1, 0])) {
            x.bits[at] = dtype === BF16 ? 0xff80 : Number.NaN
            onCuda('tt_find_nonfinite', found, x, n, dtype)
            expect(found[0]).toBe(BigInt(at))
          }
        }
      })
    }
  }
})

// ---- helpers ----------------------------------------------------------------------------------------------------

function reduced(
  x: Float64Array,
  outer: number,
  n: number,
  inner: number,
  op: number,
): [Float64Array, number] {
  const y = new Float64Array(outer * inner)
  let largest = 0
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) {
      let [sum, magnitude, top] = [0, 0, -Infinity]
      for (let i = 0; i < n; i++) {
        const v = x[(o * n + i) * inner + j]
        sum += v
        magnitude += Math.abs(v)
        top = Math.max(top, v)
      }
      y[o * inner + j] = op === 2 ? top : op === 1 ? sum / n : sum
      largest = Math.max(largest, op === 1 ? magnitude / n : magnitude)
    }
  }
  // How much larger the numbers that were added are than the largest result.
  const scale = y.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  return [y, scale > 0 ? Math.max(1, largest / scale) : 1]
}
