/**
 * Products by OpenBLAS against the f64 product, which products it gets, and which it does not.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { BF16, F32, run } from './_library.ts'
import { type Guarded, guarded, randomInput, randomNumbers, referenceProduct, worstError } from './_matrix.ts'
import { blasProducts, OPENBLAS, setOption } from './_openblas.ts'

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [37, 45, 51],
  [1, 576, 33],
  [17, 1, 700],
  [33, 65, 1],
  [300, 70, 40],
  [64, 64, 64],
  [260, 530, 65],
]

interface Product {
  readonly size: readonly [m: number, n: number, k: number]
  readonly transA?: number
  readonly transB?: number
  readonly alpha?: number
  readonly beta?: number
  readonly dtype?: number
}

/** c = alpha·a·b + beta·c of one matrix. */
function multiply(c: Guarded, a: Guarded, b: Guarded, product: Product): void {
  const { size, transA = 0, transB = 0, alpha = 1, beta = 0, dtype = F32 } = product
  const scalars = [0, 0, 0, transA, transB, alpha, beta] as const
  run('tt_matmul', c.view, a.view, b.view, 1, ...size, ...scalars, F32, dtype, null)
}

/** How many products of `body` went to the BLAS. */
function given(body: () => void): number {
  const before = blasProducts()
  body()
  return blasProducts() - before
}

describe.skipIf(OPENBLAS === null)('gemm = blas', () => {
  beforeEach(() => setOption('gemm', 'blas'))
  afterEach(() => setOption('gemm', 'auto'))
  afterAll(() => run('tt_init', 0, 0, 0))

  for (const [layout, transA, transB] of [
    ['NT', 0, 1],
    ['NN', 0, 0],
    ['TN', 1, 0],
    ['TT', 1, 1],
  ] as const) {
    test(`tt_matmul() ${layout} is the f64 product, and each went to the BLAS`, () => {
      for (const size of SIZES) {
        const [m, n, k] = size
        run('tt_init', 0, 1 + (m % 3), 0)
        for (const [alpha, beta] of [
          [1, 0],
          [0.75, 0.5],
          [-1, 1],
        ]) {
          const [a, b, c] = [randomInput(m * k, 1), randomInput(k * n, 2), guarded(randomNumbers(m * n, 3))]
          const before = c.values()
          expect(given(() => multiply(c, a, b, { size, transA, transB, alpha, beta }))).toBe(1)
          const { sum, magnitude } = referenceProduct(
            a.values(),
            b.values(),
            size,
            transA === 1,
            transB === 1,
          )
          const want = sum.map((x, i) => alpha * x + beta * before[i])
          const scale = magnitude.map((x, i) => x + Math.abs(before[i]))
          expect(worstError(c.values(), want, scale)).toBeLessThan(1e-6)
          expect(c.intact()).toBe(true)
        }
      }
    })
  }

  test('tt_matmul() of a batch uses the strides, and 0 repeats a matrix', () => {
    const [batch, m, n, k] = [5, 19, 23, 29]
    const [a, b] = [randomInput(batch * m * k, 1), randomInput(k * n, 2)]
    const c = guarded(new Float64Array(batch * (m * n + 7)))
    const shape = [batch, m, n, k, m * n + 7, m * k, 0] as const
    expect(given(() => run('tt_matmul', c.view, a.view, b.view, ...shape, 0, 0, 1, 0, F32, F32, null))).toBe(
      batch,
    )
    const got = c.values()
    for (let i = 0; i < batch; i++) {
      const part = a.values().subarray(i * m * k, (i + 1) * m * k)
      const { sum, magnitude } = referenceProduct(part, b.values(), [m, n, k])
      const start = i * (m * n + 7)
      expect(worstError(got.subarray(start, start + m * n), sum, magnitude)).toBeLessThan(1e-6)
      if (i > 0) expect([...got.subarray(start - 7, start)]).toEqual(Array(7).fill(0))
    }
  })

  test('beta = 0 does not read c; NaN and Inf pass through, also where they meet 0', () => {
    for (const size of [
      [3, 40, 5],
      [70, 80, 90],
    ] as const) {
      const [m, n, k] = size
      const [a, b] = [randomInput(m * k, 1), guarded(new Float64Array(k * n))]
      const c = guarded(new Float64Array(m * n).fill(Number.NaN))
      multiply(c, a, b, { size })
      expect(c.values().every((value) => value === 0)).toBe(true)
      a.view[0] = Number.NaN
      a.view[k] = Infinity
      multiply(c, a, b, { size })
      const bad = [...c.values()].map((value) => Number.isNaN(value))
      expect(bad).toEqual(bad.map((_, i) => i < 2 * n))
    }
  })

  test('what a BLAS would do otherwise, or cannot do, stays here', () => {
    const size = [20, 30, 40] as const
    const [a, b] = [randomInput(800, 1), randomInput(1200, 2)]
    a.view[0] = Number.NaN
    const c = guarded(randomNumbers(600, 3))
    // A factor of 0 times NaN is NaN.
    expect(given(() => multiply(c, a, b, { size, alpha: 0 }))).toBe(0)
    expect(
      c
        .values()
        .subarray(0, 30)
        .every((value) => Number.isNaN(value)),
    ).toBe(true)
    const scaled = guarded(randomNumbers(600, 3))
    const before = scaled.values()
    expect(given(() => multiply(scaled, a, b, { size: [20, 30, 0], beta: 0.5 }))).toBe(0)
    expect(scaled.values()).toEqual(before.map((x) => 0.5 * x))
    const [x, w] = [randomInput(800, 1, BF16), randomInput(1200, 2, BF16)]
    expect(given(() => multiply(c, x, w, { size, dtype: BF16 }))).toBe(0)
  })

  test('the same bits twice', () => {
    run('tt_init', 0, 2, 0)
    const size = [333, 222, 111] as const
    const [a, b] = [randomInput(333 * 111, 1), randomInput(111 * 222, 2)]
    const bits = Array.from({ length: 3 }, () => {
      const c = guarded(new Float64Array(333 * 222))
      multiply(c, a, b, { size })
      return Buffer.from(c.view.buffer)
    })
    for (const one of bits) expect(one.equals(bits[0])).toBe(true)
  })
})

describe.skipIf(OPENBLAS === null)('gemm = auto or own', () => {
  afterEach(() => setOption('gemm', 'auto'))

  test.skipIf(process.platform === 'darwin')('leaves nothing to a BLAS that was named', () => {
    const [a, c] = [randomInput(256 * 256, 1), guarded(new Float64Array(256 * 256))]
    for (const gemm of ['auto', 'own']) {
      setOption('gemm', gemm)
      expect(given(() => multiply(c, a, a, { size: [256, 256, 256] }))).toBe(0)
    }
  })
})
