/**
 * The other engines of the matrix product, emulated: cuBLASLt (a twin that takes the same calls) and wgmma.
 */
import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { randomInput } from '../native/_matrix.ts'
import { BF16, F32, run, setOption, text } from './_library.ts'
import { LAYOUTS, expectProduct } from './_product.ts'

beforeAll(() => run('tt_init', 0, 0, 0))
afterEach(() => setOption('gemm', 'auto'))

describe('cuBLASLt', () => {
  for (const dtype of [F32, BF16]) {
    for (const { layout, transA, transB } of LAYOUTS) {
      test(`${layout}, dtype ${dtype}`, () => {
        setOption('gemm', 'cublaslt')
        for (const out of [dtype, F32]) {
          expectProduct({ m: 24, n: 40, k: 72, transA, transB, dtype, out })
          expectProduct({ m: 7, n: 13, k: 5, transA, transB, dtype, out, alpha: -1.5, beta: 2 })
          expectProduct({ m: 5, n: 9, k: 3, transA, transB, dtype, out, beta: 1, batch: 3 })
        }
      })
    }
  }

  test('more shapes than plans are kept', () => {
    setOption('gemm', 'cublaslt')
    const x = randomInput(64, 1).view
    const y = new Float32Array(64)
    for (let i = 0; i < 1200; i++) {
      const [m, n, k] = [1 + (i & 7), 1 + ((i >> 3) & 7), 1 + ((i >> 6) & 7)]
      run('tt_matmul', y, x, x, 1, m, n, k, 0, 0, 0, (i >> 9) & 1, (i >> 10) & 1, 1, 0, F32, F32)
    }
    expectProduct({ m: 3, n: 4, k: 5, dtype: F32 })
  })

  test('tt_options() says which library was found', () => {
    const { cublaslt } = JSON.parse(text('tt_options')) as { cublaslt: { path: string; version: number } }
    expect(cublaslt).toEqual({ path: 'emulated', version: 130101, problem: null })
  })
})
