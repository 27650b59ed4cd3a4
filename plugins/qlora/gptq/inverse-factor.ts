/**
 * The Cholesky factor of an inverse, which is all that GPTQ asks of a Hessian: H⁻¹ = Rᵀ·R with R upper triangular. In f64 on the host.
 *
 * From the last row to the first, H = U·Uᵀ with U upper triangular, and R = U⁻¹: a third of the work of inverting H and factoring that.
 */
import { type Matrix, matrix, TrituneError } from '../../../core/mod.ts'

/** R (n, n) of H (n, n), symmetric and positive definite; n³/3 multiplications. E_VALUE where H is not; `place` is for that. */
export function inverseFactor({ rows: n, data }: Matrix, place?: string): Matrix {
  // Turned by half, U is the lower triangular factor of H turned by half: rows of both are then read from the start.
  const turned = data.toReversed()
  const rows = Array.from({ length: n }, (_, i) => turned.subarray(i * n, (i + 1) * n))
  const inverse = inverseRows(lowerFactor(rows, place))
  for (const [i, row] of inverse.entries()) turned.set(row, i * n)
  return matrix(n, n, turned.toReversed())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Row = Float64Array

/** L of A = L·Lᵀ, in the place of A. */
function lowerFactor(rows: readonly Row[], place: string | undefined): readonly Row[] {
  for (const [i, row] of rows.entries()) {
    let j = 0
    for (; j + 4 <= i; j += 4) solveFour(row, j, rows[j], rows[j + 1], rows[j + 2], rows[j + 3])
    for (; j < i; j++) row[j] = (row[j] - dot(row, rows[j], j)) / rows[j][j]
    const rest = row[i] - dot(row, row, i)
    if (!(rest > 0))
      throw new TrituneError('E_VALUE', 'the matrix is not positive definite', {
        ...(place === undefined ? {} : { place }),
        remedy: 'round by more and more different texts, or skip the layer',
      })
    row[i] = Math.sqrt(rest)
    row.fill(0, i + 1)
  }
  return rows
}

/** L⁻¹, row by row. */
function inverseRows(lower: readonly Row[]): readonly Row[] {
  const found: Row[] = []
  for (const [i, row] of lower.entries()) {
    const own = new Float64Array(lower.length)
    own[i] = 1
    let k = 0
    for (; k + 4 <= i; k += 4) subtractFour(own, row, k, found[k], found[k + 1], found[k + 2], found[k + 3])
    for (; k < i; k++) subtract(own, row[k], found[k], k + 1)
    const scale = 1 / row[i]
    for (let j = 0; j <= i; j++) own[j] *= scale
    found.push(own)
  }
  return found
}

function dot(a: Row, b: Row, count: number): number {
  let sum = 0
  for (let k = 0; k < count; k++) sum += a[k] * b[k]
  return sum
}

/** own −= factor·of, of the first `count` numbers. */
function subtract(own: Row, factor: number, of: Row, count: number): void {
  for (let j = 0; j < count; j++) own[j] -= factor * of[j]
}

// Four rows at once, so that the one that changes is read once for all of them. Plain variables: destructuring makes them three times as slow.

/** Elements j to j + 3 of a row of L, by the four rows of L that start there. */
function solveFour(row: Row, j: number, a: Row, b: Row, c: Row, d: Row): void {
  let s = row[j]
  let t = row[j + 1]
  let u = row[j + 2]
  let v = row[j + 3]
  for (let k = 0; k < j; k++) {
    const x = row[k]
    s -= x * a[k]
    t -= x * b[k]
    u -= x * c[k]
    v -= x * d[k]
  }
  s /= a[j]
  t = (t - s * b[j]) / b[j + 1]
  u = (u - s * c[j] - t * c[j + 1]) / c[j + 2]
  v = (v - s * d[j] - t * d[j + 1] - u * d[j + 2]) / d[j + 3]
  row[j] = s
  row[j + 1] = t
  row[j + 2] = u
  row[j + 3] = v
}

/** own −= Σ of[k + i]·row, of the rows k to k + 3 of a lower triangle. */
function subtractFour(own: Row, of: Row, k: number, a: Row, b: Row, c: Row, d: Row): void {
  const s = of[k]
  const t = of[k + 1]
  const u = of[k + 2]
  const v = of[k + 3]
  const count = k + 4
  for (let j = 0; j < count; j++) own[j] -= s * a[j] + t * b[j] + u * c[j] + v * d[j]
}
