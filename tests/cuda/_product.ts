/**
 * Matrix products on the emulated CUDA library against f64, for the tests of its kernels and engines.
 */
import { expect } from 'bun:test'
import { guarded, randomInput, referenceProduct, worstError } from '../native/_matrix.ts'
import { BF16, run } from './_library.ts'

export interface Problem {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly transA?: boolean
  readonly transB?: boolean
  readonly dtype: number
  /** Default: as dtype. */
  readonly out?: number
  readonly batch?: number
  readonly alpha?: number
  readonly beta?: number
}

/** f32 sums of f32 or of exact bf16 products; bf16 results are rounded once. */
export const tolerance = (out: number): number => (out === BF16 ? 2 ** -8 : 2e-6)

/** Runs the product twice into NaN (or, with beta, into known values) and compares with the f64 result. */
export function expectProduct(p: Problem): void {
  const { m, n, k, transA = false, transB = false, dtype, out = dtype, batch = 1, alpha = 1, beta = 0 } = p
  const a = randomInput(batch * m * k, 1, dtype)
  const b = randomInput(batch * k * n, 2, dtype)
  const before = randomInput(batch * m * n, 3, out)
  const results = [0, 1].map(() => {
    const c =
      beta === 0
        ? guarded(new Float64Array(batch * m * n).fill(Number.NaN), out)
        : randomInput(batch * m * n, 3, out)
    const sizes = [batch, m, n, k, m * n, m * k, k * n] as const
    run(
      'tt_matmul',
      c.view,
      a.view,
      b.view,
      ...sizes,
      Number(transA),
      Number(transB),
      alpha,
      beta,
      out,
      dtype,
    )
    expect(c.intact()).toBe(true)
    return c
  })
  expect(results[0].view).toEqual(results[1].view)
  const got = results[0].values()
  for (let i = 0; i < batch; i++) {
    const part = (x: Float64Array, size: number): Float64Array => x.subarray(i * size, (i + 1) * size)
    const product = referenceProduct(
      part(a.values(), m * k),
      part(b.values(), k * n),
      [m, n, k],
      transA,
      transB,
    )
    const old = part(before.values(), m * n)
    const want = product.sum.map((v, j) => alpha * v + (beta && beta * old[j]))
    const scale = product.magnitude.map((v, j) => Math.abs(alpha * v) + (beta && Math.abs(beta * old[j])))
    expect(worstError(part(got, m * n), want, scale)).toBeLessThan(tolerance(out))
  }
}

/** Every way the operands can lie. */
export const LAYOUTS = [
  { layout: 'a·bᵀ', transA: false, transB: true },
  { layout: 'a·b', transA: false, transB: false },
  { layout: 'aᵀ·b', transA: true, transB: false },
  { layout: 'aᵀ·bᵀ', transA: true, transB: true },
] as const
