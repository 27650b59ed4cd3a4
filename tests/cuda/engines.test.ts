/**
 * The other engines of the matrix product, emulated: cuBLASLt (a twin that takes the same calls) and wgmma.
 */
import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Guarded, guarded, randomInput, worstError } from '../native/_matrix.ts'
import { BF16, F32, run, setOption, text } from './_library.ts'
import { LAYOUTS, expectProduct } from './_product.ts'

// An emulated wgmma is slow, more so under a sanitizer.
setDefaultTimeout(60_000)
beforeAll(() => run('tt_init', 0, 0, 0))
afterEach(() => {
  setOption('gemm', 'auto')
  setOption('schedule', 'late')
})

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
    const { cublaslt } = JSON.parse(text('tt_options')) as {
      cublaslt: { path: string; version: number; problem: string | null }
    }
    expect(cublaslt).toEqual({ path: 'emulated', version: 130101, problem: null })
  })
})

// A GPU may let a load land at once or at the wait, and run the warps in any order.
const SCHEDULES = ['late', 'early', 'greedy,late', 'greedy,early,reverse'] as const

describe('wgmma', () => {
  for (const schedule of SCHEDULES) {
    for (const { layout, transA, transB } of LAYOUTS) {
      test(`${layout}, ${schedule}`, () => {
        setOption('gemm', 'wgmma')
        setOption('schedule', schedule)
        // Two by two narrow tiles with tails; as many wide ones, of five steps through four stages.
        expectProduct({ m: 136, n: 152, k: 136, transA, transB, dtype: BF16, out: F32, alpha: 0.5, beta: 1 })
        if (schedule === 'late' || transA !== transB)
          expectProduct({ m: 136, n: 264, k: 264, transA, transB, dtype: BF16 })
      })
    }
  }

  test('blocks that take several tiles', () => {
    setOption('gemm', 'wgmma')
    // On 4 multiprocessors: 6 narrow tiles of 8 steps through 6 stages, and 10 wide ones of 2 steps through 4.
    expectProduct({ m: 300, n: 152, k: 456, transB: true, dtype: BF16 })
    expectProduct({ m: 136, n: 1032, k: 72, transB: true, dtype: BF16 })
  })

  test('odd rows, odd depth and, where b is transposed, odd columns', () => {
    setOption('gemm', 'wgmma')
    // a (m,k) needs a k that is a multiple of 8; a (k,m) and b (k,n) only rows that are.
    expectProduct({ m: 77, n: 67, k: 72, transB: true, dtype: BF16 })
    expectProduct({ m: 72, n: 136, k: 75, transA: true, dtype: BF16, out: F32, beta: 1 })
  })

  test('it is taken for what it supports only', () => {
    setOption('gemm', 'wgmma')
    expectProduct({ m: 9, n: 10, k: 11, dtype: BF16 })
    expectProduct({ m: 9, n: 10, k: 11, dtype: F32 })
    expectProduct({ m: 24, n: 32, k: 40, dtype: BF16, batch: 2 })
  })
})

describe('the ops on every engine', () => {
  const engines = ['cublaslt', 'wgmma'] as const
  /** What a call writes into outputs that start as `fill`, on our own kernels and on the engines. */
  function compare(sizes: readonly number[], fill: number, f: (...outputs: Guarded[]) => void): void {
    const results = ['own', ...engines].map((engine) => {
      setOption('gemm', engine)
      const outputs = sizes.map((size) => guarded(new Float64Array(size).fill(fill), BF16))
      f(...outputs)
      return outputs
    })
    for (const other of results.slice(1)) {
      other.forEach((output, i) => {
        const want = results[0][i].values()
        const scale = new Float64Array(want.length).fill(Math.max(...want.map(Math.abs)))
        expect(worstError(output.values(), want, scale)).toBeLessThan(1.5e-2)
        expect(output.intact()).toBe(true)
      })
    }
  }

  // With dropout the LoRA term of dx is masked as it is added, which no engine can do.
  for (const dropout of [0, 0.25]) {
    test(`a linear layer with LoRA, forward and backward, dropout ${dropout}`, () => {
      const rng = Uint32Array.of(1, 2, 3, 4, 0, 0)
      const [rows, from, to, rank] = [40, 72, 136, 8]
      const [x, w, dy] = [
        randomInput(rows * from, 1, BF16),
        randomInput(to * from, 2, BF16),
        randomInput(rows * to, 3, BF16),
      ]
      const [a, b, bias] = [randomInput(rank * from, 4), randomInput(to * rank, 5), randomInput(to, 6, BF16)]
      const xa = new Float32Array(rows * rank)
      const shape = [rows, from, to, rank, 0.5, dropout] as const
      compare([rows * to], Number.NaN, (y) =>
        run('tt_linear_forward', y.view, xa, x.view, w.view, bias.view, a.view, b.view, rng, ...shape, BF16),
      )
      for (const adds of [0, 1])
        compare([rows * from], 0.25, (dx) => {
          const grads = [dx.view, null, null, null, null] as const
          run(
            'tt_linear_backward',
            ...grads,
            dy.view,
            x.view,
            xa,
            w.view,
            a.view,
            b.view,
            rng,
            ...shape,
            adds,
            BF16,
          )
        })
    })
  }

  test('cross-entropy and its gradients', () => {
    const [rows, cols, vocab] = [70, 40, 136]
    const [h, w] = [randomInput(rows * cols, 1, BF16), randomInput(vocab * cols, 2, BF16)]
    const targets = Int32Array.from({ length: rows }, (_, i) => (i * 31) % vocab)
    compare([rows * cols], Number.NaN, (dh) => {
      const [loss, dw] = [new Float32Array(1), new Float32Array(vocab * cols)]
      const outputs = [loss, null, dh.view, dw] as const
      run('tt_linear_cross_entropy', ...outputs, h.view, w.view, targets, rows, cols, vocab, 0.125, 0, BF16)
      expect(loss[0]).toBeGreaterThan(0)
    })
  })
})
