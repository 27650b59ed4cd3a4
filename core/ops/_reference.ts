/**
 * Plain f64 loops that several references share. Slow and obvious on purpose.
 */

export interface ProductOptions {
  readonly m: number
  readonly n: number
  readonly k: number
  /** a is stored (k, m). */
  readonly transposeA?: boolean
  /** b is stored (n, k). */
  readonly transposeB?: boolean
  readonly scale?: number
}

/** c (m, n) += scale · a (m, k) · b (k, n) */
export function addProduct(
  c: Float64Array,
  a: Float64Array,
  b: Float64Array,
  { m, n, k, transposeA = false, transposeB = false, scale = 1 }: ProductOptions,
): void {
  const [aRow, aStep] = transposeA ? [1, m] : [k, 1]
  const [bColumn, bStep] = transposeB ? [k, 1] : [1, n]
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * aRow + p * aStep] * b[j * bColumn + p * bStep]
      c[i * n + j] += scale * sum
    }
  }
}
