/**
 * The thin QR factorization by Householder reflections, with the signs of LAPACK (`geqrf`): what torch.linalg.qr gives.
 */
import { type Matrix, matrix, transposed } from './matrix.ts'

/**
 * a (m, n), m ≥ n → q (m, n) with orthonormal columns and r (n, n) upper triangular, a = q·r. Columns that depend on those before them
 * give directions of their own, and zeros in r.
 *
 * @example
 * ```ts
 * import { matrix, thinQr } from 'tritune/core'
 *
 * const { q, r } = thinQr(matrix(2, 1, Float64Array.of(3, 4)))
 * console.log(r.data[0].toFixed(1), q.data[0].toFixed(1)) // → -5.0 -0.6
 * ```
 */
export function thinQr(a: Matrix): { readonly q: Matrix; readonly r: Matrix } {
  const { rows: m, columns: n } = a
  // Columns as rows: every loop below runs along memory.
  const work = transposed(a).data
  const taus = new Float64Array(n)
  for (let k = 0; k < n; k++) {
    const column = work.subarray(k * m, (k + 1) * m)
    taus[k] = reflector(column, k)
    for (let j = k + 1; j < n; j++) reflect(work.subarray(j * m, (j + 1) * m), column, k, taus[k])
  }
  const r = matrix(n, n)
  for (let j = 0; j < n; j++) for (let i = 0; i <= j; i++) r.data[i * n + j] = work[j * m + i]
  const columns = matrix(n, m)
  for (let j = 0; j < n; j++) {
    const column = columns.data.subarray(j * m, (j + 1) * m)
    column[j] = 1
    for (let k = n - 1; k >= 0; k--) reflect(column, work.subarray(k * m, (k + 1) * m), k, taus[k])
  }
  return { q: transposed(columns), r }
}

/** Overwrites x[k] by what the reflection leaves there, the rest below by v (v[k] = 1 is not stored); returns τ. */
function reflector(x: Float64Array, k: number): number {
  let below = 0
  for (let i = k + 1; i < x.length; i++) below = Math.hypot(below, x[i])
  if (below === 0) return 0
  const beta = -Math.sign(x[k] || 1) * Math.hypot(x[k], below)
  const scale = 1 / (x[k] - beta)
  const tau = (beta - x[k]) / beta
  for (let i = k + 1; i < x.length; i++) x[i] *= scale
  x[k] = beta
  return tau
}

/** x ← (I − τ·v·vᵀ)·x from row k. */
function reflect(x: Float64Array, v: Float64Array, k: number, tau: number): void {
  if (tau === 0) return
  let dot = x[k]
  for (let i = k + 1; i < x.length; i++) dot += v[i] * x[i]
  dot *= tau
  x[k] -= dot
  for (let i = k + 1; i < x.length; i++) x[i] -= dot * v[i]
}
