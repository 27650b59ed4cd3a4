/**
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder's tridiagonal form, then QL with implicit shifts.
 *
 * Golub & Van Loan, Matrix Computations, 8.3; Bowdler, Martin, Reinsch & Wilkinson 1968 (`tred2`, `tql2`). O(n³): for hundreds of rows.
 */
import { TrituneError } from '../errors.ts'
import { type Matrix, matrix, transposed } from './matrix.ts'

/** Eigenvalues, largest first, and the eigenvectors as columns in the same order. */
export interface Eigen {
  readonly values: Float64Array<ArrayBuffer>
  readonly vectors: Matrix
}

/**
 * a (n, n), of which the lower triangle is read.
 *
 * @example
 * ```ts
 * import { matrix, symmetricEigen } from 'tritune/core'
 *
 * const { values } = symmetricEigen(matrix(2, 2, Float64Array.of(2, 1, 1, 2)))
 * console.log(values[0].toFixed(6), values[1].toFixed(6)) // → 3.000000 1.000000
 * ```
 */
export function symmetricEigen(a: Matrix): Eigen {
  const n = a.rows
  const diagonal = new Float64Array(n)
  const off = new Float64Array(n)
  const basis = tridiagonal(a, diagonal, off)
  // Rows of `vectors` are the vectors: rotations run along memory.
  const vectors = transposed(basis).data
  diagonalize(diagonal, off, vectors)
  const order = Array.from(diagonal.keys()).toSorted((i, j) => diagonal[j] - diagonal[i])
  const sorted = matrix(n, n)
  for (const [k, from] of order.entries())
    for (let i = 0; i < n; i++) sorted.data[i * n + k] = vectors[from * n + i]
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors: sorted }
}

/** a = Q·T·Qᵀ; fills the diagonal of T and what stands below it (off[i] beside diagonal[i − 1]), returns Q. */
function tridiagonal({ rows: n, data }: Matrix, diagonal: Float64Array, off: Float64Array): Matrix {
  const full = Float64Array.from(data)
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) full[i * n + j] = full[j * n + i]
  const reflectors: { readonly k: number; readonly v: Float64Array; readonly tau: number }[] = []
  const p = new Float64Array(n)
  for (let k = 0; k < n - 2; k++) {
    const v = new Float64Array(n)
    let below = 0
    for (let i = k + 1; i < n; i++) {
      v[i] = full[i * n + k]
      if (i > k + 1) below = Math.hypot(below, v[i])
    }
    if (below === 0) continue
    const alpha = -Math.sign(v[k + 1] || 1) * Math.hypot(v[k + 1], below)
    v[k + 1] -= alpha
    let square = 0
    for (let i = k + 1; i < n; i++) square += v[i] * v[i]
    const tau = 2 / square
    // full ← H·full·H with H = I − τ·v·vᵀ, on the rows and columns from k.
    let dot = 0
    for (let i = k; i < n; i++) {
      let sum = 0
      const row = i * n
      for (let j = k + 1; j < n; j++) sum += full[row + j] * v[j]
      p[i] = tau * sum
      dot += v[i] * p[i]
    }
    const half = (tau * dot) / 2
    for (let i = k; i < n; i++) p[i] -= half * v[i]
    for (let i = k; i < n; i++) {
      const row = i * n
      const [vi, pi] = [v[i], p[i]]
      for (let j = k; j < n; j++) full[row + j] -= vi * p[j] + pi * v[j]
    }
    reflectors.push({ k, v, tau })
  }
  for (let i = 0; i < n; i++) {
    diagonal[i] = full[i * n + i]
    off[i] = i === 0 ? 0 : full[i * n + i - 1]
  }
  const q = matrix(n, n)
  for (let i = 0; i < n; i++) q.data[i * n + i] = 1
  for (const { k, v, tau } of reflectors.toReversed()) {
    p.fill(0)
    for (let i = k + 1; i < n; i++) for (let j = k + 1; j < n; j++) p[j] += v[i] * q.data[i * n + j]
    for (let i = k + 1; i < n; i++) {
      const factor = tau * v[i]
      for (let j = k + 1; j < n; j++) q.data[i * n + j] -= factor * p[j]
    }
  }
  return q
}

const SWEEPS = 60
/** Sweeps after which what is small beside the largest number counts as 0: zeros of a matrix of low rank are that far off anyway. */
const RELATIVE_SWEEPS = 20

/** QL with implicit shifts; turns the rows of `vectors` along. */
function diagonalize(d: Float64Array, e: Float64Array, vectors: Float64Array): void {
  const n = d.length
  for (let i = 1; i < n; i++) e[i - 1] = e[i]
  if (n > 0) e[n - 1] = 0
  let largest = 0
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(d[i]) + Math.abs(e[i]))
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      const least = sweep < RELATIVE_SWEEPS ? 0 : largest
      let m = l
      while (
        m < n - 1 &&
        Math.abs(e[m]) > Number.EPSILON * Math.max(least, Math.abs(d[m]) + Math.abs(d[m + 1]))
      )
        m++
      if (m === l) break
      if (sweep === SWEEPS)
        throw new TrituneError('E_NAN', 'the eigenvalues of a matrix did not converge', {
          remedy: 'look for NaN or Inf in what it was made of',
        })
      let g = (d[l + 1] - d[l]) / (2 * e[l])
      let r = Math.hypot(g, 1)
      g = d[m] - d[l] + e[l] / (g + (g < 0 ? -r : r))
      let [s, c, p] = [1, 1, 0]
      let i = m - 1
      for (; i >= l; i--) {
        const f = s * e[i]
        const b = c * e[i]
        r = Math.hypot(f, g)
        e[i + 1] = r
        if (r === 0) {
          d[i + 1] -= p
          e[m] = 0
          break
        }
        s = f / r
        c = g / r
        g = d[i + 1] - p
        r = (d[i] - g) * s + 2 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        const [upper, lower] = [(i + 1) * n, i * n]
        for (let k = 0; k < n; k++) {
          const z = vectors[upper + k]
          vectors[upper + k] = s * vectors[lower + k] + c * z
          vectors[lower + k] = c * vectors[lower + k] - s * z
        }
      }
      if (r === 0 && i >= l) continue
      d[l] -= p
      e[l] = g
      e[m] = 0
    }
  }
}
