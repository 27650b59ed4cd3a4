/**
 * The Cholesky factor of an inverse, which is all that GPTQ asks of a Hessian: H⁻¹ = Rᵀ·R with R upper triangular. In f64 on the host.
 *
 * From the last row to the first, H = U·Uᵀ with U upper triangular, and R = U⁻¹: a third of the work of inverting H and factoring that.
 */
import { type Matrix, matrix, TrituneError } from '../../../core/mod.ts'

/** R (n, n) of H (n, n), symmetric and positive definite; n³/3 multiplications. E_VALUE where H is not. */
export function inverseFactor({ rows: n, data }: Matrix): Matrix {
  // Turned by half, U is the lower triangular factor of H turned by half: rows of both are then read from the start.
  const turned = data.toReversed()
  const rows = Array.from({ length: n }, (_, i) => turned.subarray(i * n, (i + 1) * n))
  const inverse = inverseRows(lowerFactor(rows))
  for (const [i, row] of inverse.entries()) turned.set(row, i * n)
  return matrix(n, n, turned.reverse())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Rows that one is reduced by at once, so that it is read once for all of them. */
const TILE = 4

type Rows = readonly Float64Array[]

/** L of A = L·Lᵀ, in the place of A. */
function lowerFactor(rows: Rows): Rows {
  for (const [i, row] of rows.entries()) {
    let j = 0
    for (; j + TILE <= i; j += TILE) solveFour(row, rows.slice(j, j + TILE), j)
    for (; j < i; j++) row[j] = (row[j] - dot(row, rows[j], j)) / rows[j][j]
    const rest = row[i] - dot(row, row, i)
    if (!(rest > 0)) throw new TrituneError('E_VALUE', 'the matrix is not positive definite')
    row[i] = Math.sqrt(rest)
    row.fill(0, i + 1)
  }
  return rows
}

/** L⁻¹, row by row. */
function inverseRows(lower: Rows): Rows {
  const found: Float64Array[] = []
  for (const [i, row] of lower.entries()) {
    const own = new Float64Array(lower.length)
    own[i] = 1
    let k = 0
    for (; k + TILE <= i; k += TILE) subtractFour(own, found.slice(k, k + TILE), row, k)
    for (; k < i; k++) for (let j = 0; j <= k; j++) own[j] -= row[k] * found[k][j]
    for (let j = 0; j <= i; j++) own[j] /= row[i]
    found.push(own)
  }
  return found
}

function dot(a: Float64Array, b: Float64Array, count: number): number {
  let sum = 0
  for (let k = 0; k < count; k++) sum += a[k] * b[k]
  return sum
}

/** Elements j to j + 3 of a row of L, by the four rows of L that start there. */
function solveFour(row: Float64Array, [a, b, c, d]: Rows, j: number): void {
  let [s, t, u, v] = [row[j], row[j + 1], row[j + 2], row[j + 3]]
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

/** own −= Σ factor·row, of the rows k to k + 3 of a lower triangle. */
function subtractFour(own: Float64Array, [a, b, c, d]: Rows, factors: Float64Array, k: number): void {
  const [s, t, u, v] = [factors[k], factors[k + 1], factors[k + 2], factors[k + 3]]
  const count = k + TILE
  for (let j = 0; j < count; j++) own[j] -= s * a[j] + t * b[j] + u * c[j] + v * d[j]
}
