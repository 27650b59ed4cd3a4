/**
 * The Cholesky factor of an inverse, which is all that GPTQ asks of a Hessian: H⁻¹ = Rᵀ·R with R upper triangular. In f64 on the host.
 *
 * From the last row to the first, H = U·Uᵀ with U upper triangular, and R = U⁻¹: a third of the work of inverting H and factoring that.
 */
import { type Matrix, matrix, TrituneError } from '../../../core/mod.ts'

/** R of H (n, n), symmetric and positive definite; n³/3 multiplications. E_VALUE where H is not. */
export function inverseFactor({ rows: n, data: h }: Matrix): Matrix {
  // Turned by half, U is the lower triangular factor L of H turned by half: rows of both are read from the start.
  const last = n - 1
  const lower = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const row = lower.subarray(i * n, i * n + i + 1)
    for (let j = 0; j <= i; j++) {
      const rest = h[(last - i) * n + last - j] - dot(row, lower.subarray(j * n, j * n + j), j)
      if (j < i) row[j] = rest / lower[j * n + j]
      else if (rest > 0) row[i] = Math.sqrt(rest)
      else throw new TrituneError('E_VALUE', 'the matrix is not positive definite')
    }
  }
  const inverse = matrix(n, n)
  const turned = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const row = turned.subarray(i * n, i * n + i + 1)
    row[i] = 1
    for (let k = 0; k < i; k++) subtract(row, lower[i * n + k], turned.subarray(k * n, k * n + k + 1))
    const scale = 1 / lower[i * n + i]
    for (let j = 0; j <= i; j++) {
      row[j] *= scale
      inverse.data[(last - i) * n + last - j] = row[j]
    }
  }
  return inverse
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of the first `count` numbers; in four sums, because an addition waits for the one before. */
function dot(a: Float64Array, b: Float64Array, count: number): number {
  let [w, x, y, z] = [0, 0, 0, 0]
  const whole = count & ~3
  for (let i = 0; i < whole; i += 4) {
    w += a[i] * b[i]
    x += a[i + 1] * b[i + 1]
    y += a[i + 2] * b[i + 2]
    z += a[i + 3] * b[i + 3]
  }
  for (let i = whole; i < count; i++) w += a[i] * b[i]
  return w + x + y + z
}

/** to −= factor·of, where `of` is not longer. */
function subtract(to: Float64Array, factor: number, of: Float64Array): void {
  if (factor === 0) return
  for (let i = 0; i < of.length; i++) to[i] -= factor * of[i]
}
