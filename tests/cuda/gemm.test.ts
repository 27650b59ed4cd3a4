/**
 * Every kernel of native/cuda's matrix product in every layout, with tails, against f64 products, on the emulator.
 */
import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { guarded, randomInput, referenceProduct, worstError } from '../native/_matrix.ts'
import { BAD_ARGUMENT, BF16, F32, UNSUPPORTED, call, run, setOption, text, trySetOption } from './_library.ts'
import { LAYOUTS, expectProduct, tolerance } from './_product.ts'

beforeAll(() => run('tt_init', 0, 0, 0))
afterEach(() => {
  setOption('gemm', 'auto')
  setOption('gemm_tile', 'auto')
  setOption('gemm_splits', '0')
})

describe('the mma.sync tiles', () => {
  const tiles = [
    ['128x256', [136, 264, 136]],
    ['128x128', [136, 144, 104]],
    ['64x64', [72, 136, 200]],
    ['64x64', [8, 8, 8]],
    ['thin', [136, 8, 264]],
    ['thin', [136, 24, 136]],
    ['thin', [72, 48, 264]],
  ] as const
  for (const [tile, [m, n, k]] of tiles) {
    for (const { layout, transA, transB } of LAYOUTS) {
      for (const splits of tile === '128x256' ? [1] : [1, 3]) {
        test(`${tile} ${layout}, ${m}×${n}×${k}, ${splits} splits`, () => {
          setOption('gemm_tile', tile)
          setOption('gemm_splits', String(splits))
          expectProduct({ m, n, k, transA, transB, dtype: BF16 })
          if (splits > 1 || m < 100)
            expectProduct({ m, n, k, transA, transB, dtype: BF16, out: F32, beta: 1, alpha: 0.5 })
        })
      }
    }
  }

  test('a thin product with few rows exchanges its operands', () => {
    setOption('gemm_tile', 'thin')
    expectProduct({ m: 11, n: 200, k: 72, transB: true, dtype: BF16 })
    expectProduct({ m: 16, n: 136, k: 75, transA: true, dtype: BF16, out: F32, beta: 1 })
    setOption('gemm_splits', '2')
    expectProduct({ m: 16, n: 136, k: 75, transA: true, dtype: BF16, out: F32, beta: 1 })
  })

  test('results with odd rows, and odd columns where b is transposed', () => {
    for (const [tile, n] of [
      ['128x128', 131],
      ['64x64', 67],
      ['thin', 13],
    ] as const) {
      setOption('gemm_tile', tile)
      expectProduct({ m: 77, n, k: 72, transB: true, dtype: BF16 })
      expectProduct({ m: 77, n, k: 72, transB: true, dtype: BF16, out: F32, beta: 0.5 })
    }
  })

  test('a batch, with one b for all, and more splits than steps', () => {
    setOption('gemm_tile', '64x64')
    setOption('gemm_splits', '5')
    expectProduct({ m: 24, n: 40, k: 72, transB: true, dtype: BF16, batch: 3 })
  })
})

describe('the f32 tiles', () => {
  for (const tile of ['128x128', '64x64']) {
    for (const { layout, transA, transB } of LAYOUTS) {
      for (const [m, n, k, splits] of [
        [132, 68, 36, 1],
        [71, 133, 45, 1],
        [68, 36, 130, 4],
      ] as const) {
        test(`${tile} ${layout}, ${m}×${n}×${k}, ${splits} splits`, () => {
          setOption('gemm_tile', tile)
          setOption('gemm_splits', String(splits))
          expectProduct({ m, n, k, transA, transB, dtype: F32 })
          expectProduct({ m, n, k, transA, transB, dtype: F32, alpha: -1.5, beta: 2, batch: 2 })
        })
      }
    }
  }
})

describe('the kernel for rows', () => {
  for (const dtype of [F32, BF16]) {
    for (const m of [1, 2, 3, 8]) {
      test(`${m} rows, dtype ${dtype}`, () => {
        setOption('gemm_tile', 'rows')
        expectProduct({ m, n: 35, k: 264, transB: true, dtype })
        expectProduct({ m, n: 150, k: 40, transB: true, dtype, out: F32, alpha: 2, beta: 1, batch: 2 })
      })
    }
  }
})

describe('the plain kernel', () => {
  for (const dtype of [F32, BF16]) {
    for (const { layout, transA, transB } of LAYOUTS) {
      test(`${layout}, dtype ${dtype}`, () => {
        setOption('gemm_tile', 'plain')
        expectProduct({ m: 67, n: 65, k: 19, transA, transB, dtype })
        expectProduct({ m: 3, n: 70, k: 33, transA, transB, dtype, out: F32, alpha: 0.5, beta: 1, batch: 2 })
      })
    }
  }
})

describe('the choice', () => {
  test('any shape works', () => {
    for (const dtype of [F32, BF16]) {
      for (const [m, n, k] of [
        [1, 1, 1],
        [1, 7, 0],
        [65, 33, 17],
        [8, 8, 8],
        [40, 72, 264],
        [136, 16, 264],
        [16, 136, 264],
        [130, 130, 130],
      ] as const) {
        for (const { transA, transB } of LAYOUTS) expectProduct({ m, n, k, transA, transB, dtype })
      }
    }
  })

  test('operands off their alignment take kernels that can read them', () => {
    const [m, n, k] = [24, 40, 64]
    for (const dtype of [F32, BF16]) {
      const a = randomInput(m * k + 1, 1, dtype)
      const b = randomInput(n * k + 1, 2, dtype)
      const c = guarded(new Float64Array(m * n + 1), dtype)
      const [from, to] = [a.view.subarray(1), c.view.subarray(1)]
      run('tt_matmul', to, from, b.view, 1, m, n, k, 0, 0, 0, 0, 1, 1, 0, dtype, dtype)
      const want = referenceProduct(
        a.values().subarray(1),
        b.values().subarray(0, n * k),
        [m, n, k],
        false,
        true,
      )
      expect(worstError(c.values().subarray(1), want.sum, want.magnitude)).toBeLessThan(tolerance(dtype))
      expect(c.values()[0]).toBe(0)
    }
  })

  test('a batch larger than one launch', () => {
    expectProduct({ m: 1, n: 1, k: 4, transB: true, batch: 1030, dtype: F32 })
  })

  test('a tile that cannot do the product is refused', () => {
    const x = randomInput(64, 1, F32).view
    const product = (): number => call('tt_matmul', x, x, x, 1, 8, 8, 8, 0, 0, 0, 0, 0, 1, 0, F32, F32)
    setOption('gemm_tile', 'rows')
    expect(product()).toBe(UNSUPPORTED)
    expect(text('tt_last_error')).toContain('tt_matmul: the gemm_tile that is set cannot be used')
    setOption('gemm_tile', '128x256')
    expect(product()).toBe(UNSUPPORTED)
    expect(trySetOption('gemm_tile', '1x1')).toBe(BAD_ARGUMENT)
    expect(trySetOption('gemm_splits', '65')).toBe(BAD_ARGUMENT)
  })
})
