/** Reductions, strided copies, broadcasting, row gathers and scatters of the native library against plain loops. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, BF16, F32, lastError } from './_library.ts'
import {
  DTYPES,
  blank,
  expectClose,
  fromBf16,
  normal,
  onEveryMachine,
  pack,
  rounding,
  toBf16,
  uniform,
  unpack,
} from './_numbers.ts'

describe('tt_reduce', () => {
  const SHAPES = [
    [1, 1, 1],
    [3, 37, 1],
    [37, 576, 1],
    [1, 100_003, 1],
    [2, 37, 19],
    [1, 70_001, 3],
    [3, 5, 2300],
    [40, 1, 7],
  ] as const
  test('tt_reduce() sums, averages and takes maxima over the middle dimension', () => {
    for (const dtype of DTYPES) {
      for (const [outer, n, inner] of SHAPES) {
        const x = normal(outer * n * inner, n, dtype)
        const [sum, top] = [new Float64Array(outer * inner), new Float64Array(outer * inner).fill(-Infinity)]
        const size = new Float64Array(outer * inner)
        for (const [i, v] of x.entries()) {
          const at = Math.floor(i / n / inner) * inner + (i % inner)
          sum[at] = (sum[at] ?? 0) + v
          size[at] = (size[at] ?? 0) + Math.abs(v)
          top[at] = Math.max(top[at] ?? 0, v)
        }
        const abs = 1e-6 * Math.max(...size)
        const input = pack(x, dtype)
        onEveryMachine(() => {
          const y = blank(outer * inner, dtype)
          run('tt_reduce', y, input, outer, n, inner, 0, dtype)
          expectClose(unpack(y), sum, rounding(dtype, 1e-6, abs))
          run('tt_reduce', y, input, outer, n, inner, 1, dtype)
          expectClose(
            unpack(y),
            sum.map((v) => v / n),
            rounding(dtype, 1e-6, abs / n),
          )
          run('tt_reduce', y, input, outer, n, inner, 2, dtype)
          expect(Bun.hash(y)).toBe(Bun.hash(pack(top, dtype)))
        })
      }
    }
  })

  test('tt_reduce() hands NaN on and refuses the mean of nothing', () => {
    onEveryMachine(() => {
      for (const inner of [1, 2]) {
        for (const op of [0, 1, 2]) {
          for (const bad of [0, 5, 40]) {
            const x = new Float32Array(41 * inner).fill(1)
            x[bad * inner] = Number.NaN
            const y = new Float32Array(inner)
            run('tt_reduce', y, x, 1, 41, inner, op, F32)
            expect(y[0]).toBeNaN()
            if (inner === 2) expect(y[1]).not.toBeNaN()
          }
        }
      }
    })
    const y = new Float32Array(2).fill(3)
    run('tt_reduce', y, y, 1, 0, 2, 0, F32)
    expect([...y]).toEqual([0, 0])
    expect(call('tt_reduce', y, y, 1, 0, 2, 1, F32)).toBe(BAD_ARGUMENT)
    expect(call('tt_reduce', y, y, 1, 1, 2, 3, F32)).toBe(BAD_ARGUMENT)
  })
})

describe('tt_sum_squares, tt_find_nonfinite', () => {
  test('tt_sum_squares() adds f64 sums, the same bits for any thread count', () => {
    const seen = new Map<number, number>()
    onEveryMachine((isa) => {
      for (const dtype of DTYPES) {
        for (const n of [0, 1, 37, 576, 200_003]) {
          const x = normal(n, n + 1, dtype)
          const out = Float64Array.of(0.5)
          run('tt_sum_squares', out, pack(x, dtype), n, dtype)
          const expected = x.reduce((sum, v) => sum + v * v, 0.5)
          expectClose(out, [expected], { rel: 1e-13 })
          if (n === 200_003 && dtype === F32) expect(seen.get(isa) ?? out[0]).toBe(out[0])
          if (n === 200_003 && dtype === F32) seen.set(isa, out[0] ?? 0)
        }
      }
    })
  })

  test('tt_find_nonfinite() gives the first bad index, wherever it is', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES) {
        const n = 150_001
        const x = pack(normal(n, 3, dtype), dtype)
        const out = new BigInt64Array(1)
        const find = (): number => {
          run('tt_find_nonfinite', out, x, n, dtype)
          return Number(out[0])
        }
        expect(find()).toBe(-1)
        for (const [at, value] of [
          [n - 1, Number.NaN],
          [100_000, Infinity],
          [70_000, -Infinity],
          [300, Number.NaN],
          [0, Infinity],
        ] as const) {
          x[at] = dtype === F32 ? value : toBf16(value)
          expect(find()).toBe(at)
        }
      }
    })
  })
})

describe('tt_strided_copy', () => {
  /** {size, y stride, x stride} of a permutation of a contiguous tensor. */
  function permutation(shape: readonly number[], order: readonly number[]): BigInt64Array {
    const stride = (sizes: readonly number[], d: number): number =>
      sizes.slice(d + 1).reduce((a, b) => a * b, 1)
    const out = order.map((d) => shape[d] ?? 1)
    return BigInt64Array.from(
      out.flatMap((size, d) => [size, stride(out, d), stride(shape, order[d] ?? 0)]),
      BigInt,
    )
  }

  function reference(
    y: Float64Array,
    x: Float64Array,
    dims: BigInt64Array,
    accumulate: boolean,
  ): Float64Array {
    const out = y.slice()
    const visit = (d: number, to: number, from: number): void => {
      if (d * 3 === dims.length) {
        out[to] = (accumulate ? (out[to] ?? 0) : 0) + (x[from] ?? 0)
        return
      }
      const [size, toStep, fromStep] = Array.from(dims.subarray(d * 3, d * 3 + 3), Number) as [
        number,
        number,
        number,
      ]
      for (let i = 0; i < size; i++) visit(d + 1, to + i * toStep, from + i * fromStep)
    }
    visit(0, 0, 0)
    return out
  }

  const MANY: readonly BigInt64Array[] = [
    permutation([37, 41], [1, 0]),
    permutation([3, 60, 140], [0, 2, 1]),
    permutation([5, 7, 11, 13], [2, 0, 3, 1]),
    permutation([4, 9, 64], [1, 0, 2]),
    BigInt64Array.of(10n, 50n, 20n, 7n, 1n, 1n),
    BigInt64Array.of(10n, 7n, 0n, 7n, 1n, 1n),
    BigInt64Array.of(3n, 7n, 7n, 7n, 1n, 0n),
    BigInt64Array.of(19n, 2n, 3n),
    BigInt64Array.of(1n, 0n, 0n, 70_000n, 1n, 1n),
    BigInt64Array.of(),
    BigInt64Array.of(4n, 5n, 1n, 0n, 1n, 1n),
  ]
  test('tt_strided_copy() permutes, slices, pads, expands and flips', () => {
    for (const dtype of DTYPES) {
      for (const dims of MANY) {
        const n = dims.includes(70_000n) ? 70_000 : 26_000
        const [x, y] = [normal(n, 8, dtype), normal(n, 9, dtype)]
        const [source, start] = [pack(x, dtype), pack(y, dtype)]
        for (const accumulate of [false, true]) {
          const expected = reference(y, x, dims, accumulate)
          onEveryMachine(() => {
            const target = start.slice()
            run('tt_strided_copy', target, source, dims, dims.length / 3, accumulate ? 1 : 0, dtype)
            expectClose(unpack(target), expected, rounding(dtype, 1e-7, 0))
          })
        }
      }
    }
  })

  test('tt_strided_copy() moves bytes and integers, and refuses what cannot be', () => {
    onEveryMachine(() => {
      const x = Uint8Array.from({ length: 35 * 33 }, (_, i) => i & 255)
      const y = new Uint8Array(35 * 33)
      run('tt_strided_copy', y, x, permutation([35, 33], [1, 0]), 2, 0, 4)
      for (let i = 0; i < y.length; i++) expect(y[i]).toBe(x[(i % 35) * 33 + Math.floor(i / 35)] ?? -1)
    })
    const a = new Int32Array(4)
    const dims = BigInt64Array.of(2n, 0n, 1n)
    expect(call('tt_strided_copy', a, a, dims, 1, 0, 3)).toBe(BAD_ARGUMENT)
    expect(lastError()).toContain('overlap')
    expect(call('tt_strided_copy', a, a, BigInt64Array.of(2n, 1n, 1n), 1, 1, 3)).toBe(BAD_ARGUMENT)
    expect(call('tt_strided_copy', a, a, BigInt64Array.of(-2n, 1n, 1n), 1, 0, 3)).toBe(BAD_ARGUMENT)
    expect(call('tt_strided_copy', a, a, dims, 9, 0, 3)).toBe(BAD_ARGUMENT)
  })
})

describe('tt_binary', () => {
  const OPS: readonly ((a: number, b: number) => number)[] = [
    (a, b) => a + b,
    (a, b) => a - b,
    (a, b) => a * b,
    (a, b) => a / b,
    Math.max,
    Math.min,
    (a, b) => a ** b,
    (a, b) => (a > b ? 1 : 0),
    (a, b) => (a === b ? 1 : 0),
  ]
  test('tt_binary() computes all operations with broadcast and transposed operands', () => {
    const shapes = [
      BigInt64Array.of(40_003n, 1n, 1n),
      BigInt64Array.of(37n, 19n, 0n, 19n, 1n, 1n),
      BigInt64Array.of(37n, 19n, 1n, 19n, 1n, 0n),
      BigInt64Array.of(5n, 0n, 33n, 33n, 1n, 1n),
      BigInt64Array.of(12n, 1n, 300n, 300n, 12n, 1n),
      BigInt64Array.of(4n, 0n, 0n, 3n, 0n, 0n),
      BigInt64Array.of(),
    ]
    onEveryMachine((isa, threads) => {
      for (const dtype of DTYPES) {
        const [a, b] = [normal(40_003, 4, dtype), normal(40_003, 5, dtype)]
        b[3] = a[3] ?? 0
        for (const [op, f] of OPS.entries()) {
          const dims = shapes[(op + threads + isa + dtype) % shapes.length] ?? new BigInt64Array()
          const left = op === 6 ? a.map(Math.abs) : a
          const expected: number[] = []
          const visit = (d: number, p: number, q: number): void => {
            if (d * 3 === dims.length) {
              expected.push(f(left[p] ?? 0, b[q] ?? 0))
              return
            }
            const [size, aStep, bStep] = Array.from(dims.subarray(d * 3, d * 3 + 3), Number) as [
              number,
              number,
              number,
            ]
            for (let i = 0; i < size; i++) visit(d + 1, p + i * aStep, q + i * bStep)
          }
          visit(0, 0, 0)
          const y = blank(expected.length, dtype)
          run('tt_binary', y, pack(left, dtype), pack(b, dtype), dims, dims.length / 3, op, dtype)
          expectClose(unpack(y), expected, rounding(dtype, 1e-6, 1e-7))
        }
      }
    })
  })

  test('tt_binary() hands NaN through maximum and minimum from either side', () => {
    onEveryMachine(() => {
      const [a, b, y] = [
        Float32Array.of(Number.NaN, 1, 2),
        Float32Array.of(1, Number.NaN, 3),
        new Float32Array(3),
      ]
      run('tt_binary', y, a, b, BigInt64Array.of(3n, 1n, 1n), 1, 4, F32)
      expect([...y]).toEqual([Number.NaN, Number.NaN, 3])
      run('tt_binary', y, a, b, BigInt64Array.of(3n, 1n, 1n), 1, 5, F32)
      expect([...y]).toEqual([Number.NaN, Number.NaN, 2])
    })
  })
})

describe('tt_gather_rows, tt_scatter_add_rows', () => {
  test('they pick rows and add them back, repeated indices in order', () => {
    onEveryMachine(() => {
      for (const dtype of DTYPES) {
        for (const [rows, cols, tableRows] of [
          [1, 1, 1],
          [37, 19, 5],
          [200, 576, 90],
        ] as const) {
          const next = uniform(rows)
          const index = Int32Array.from({ length: rows }, () => Math.floor(next() * tableRows))
          const table = normal(tableRows * cols, 1, dtype)
          const y = blank(rows * cols, dtype)
          run('tt_gather_rows', y, pack(table, dtype), index, rows, cols, tableRows, dtype)
          const expected = Float64Array.from(
            y,
            (_, i) => table[(index[Math.floor(i / cols)] ?? 0) * cols + (i % cols)] ?? 0,
          )
          expect(Bun.hash(y)).toBe(Bun.hash(pack(expected, dtype)))
          const sums = new Float32Array(tableRows * cols).fill(0.5)
          const wanted = Float32Array.from(sums)
          for (const [i, v] of unpack(y).entries()) {
            const at = (index[Math.floor(i / cols)] ?? 0) * cols + (i % cols)
            wanted[at] = (wanted[at] ?? 0) + v
          }
          run('tt_scatter_add_rows', sums, y, index, rows, cols, tableRows, dtype)
          expect(Bun.hash(sums)).toBe(Bun.hash(wanted))
        }
      }
    })
  })

  test('they refuse an index outside of the table', () => {
    const a = new Float32Array(8)
    expect(call('tt_gather_rows', a, a, Int32Array.of(0, 4), 2, 2, 4, F32)).toBe(BAD_ARGUMENT)
    expect(lastError()).toBe('tt_gather_rows: index[1] is 4, the table has 4 rows')
    expect(call('tt_scatter_add_rows', a, a, Int32Array.of(-1), 1, 2, 4, BF16)).toBe(BAD_ARGUMENT)
    expect(fromBf16(toBf16(-1))).toBe(-1)
  })
})
