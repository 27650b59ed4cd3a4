/** Plain f64 arithmetic for the tests of GPTQ: row-major matrices, nothing shared with the sources. */

/** Inputs (rows, columns) that are correlated: each column is mostly the one before it. */
export function correlated(rows: number, columns: number, seed: number): Float64Array {
  const x = new Float64Array(rows * columns)
  const draw = normal(seed)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      x[i * columns + j] = (j > 0 ? 0.9 * x[i * columns + j - 1] : 0) + 0.5 * draw()
  return x
}

/** Normal numbers by a generator of the test's own. */
export function normal(seed: number): () => number {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

/** aᵀ·b of a (rows, m) and b (rows, n). */
export function innerProduct(a: Float64Array, b: Float64Array, rows: number): Float64Array {
  const [m, n] = [a.length / rows, b.length / rows]
  const c = new Float64Array(m * n)
  for (let k = 0; k < rows; k++)
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) c[i * n + j] += a[k * m + i] * b[k * n + j]
  return c
}

/** By Gauss and Jordan, with pivots. */
export function inverseOf(matrix: Float64Array, n: number): Float64Array {
  const a = matrix.slice()
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++) inverse[i * n + i] = 1
  for (let p = 0; p < n; p++) {
    let pivot = p
    for (let i = p; i < n; i++) if (Math.abs(a[i * n + p]) > Math.abs(a[pivot * n + p])) pivot = i
    for (const m of [a, inverse])
      for (let j = 0; j < n; j++) [m[p * n + j], m[pivot * n + j]] = [m[pivot * n + j], m[p * n + j]]
    const scale = a[p * n + p]
    for (const m of [a, inverse]) for (let j = 0; j < n; j++) m[p * n + j] /= scale
    for (let i = 0; i < n; i++) {
      const factor = i === p ? 0 : a[i * n + p]
      for (const m of [a, inverse]) for (let j = 0; j < n; j++) m[i * n + j] -= factor * m[p * n + j]
    }
  }
  return inverse
}

/** Σ ‖plain·wᵀ − rounded·qᵀ‖² over the rows of the inputs, w and q (out, in). */
export function lostOutputs(
  plain: Float64Array,
  rounded: Float64Array,
  {
    weight,
    made,
    columns,
  }: { readonly weight: ArrayLike<number>; readonly made: ArrayLike<number>; readonly columns: number },
): number {
  let sum = 0
  for (let t = 0; t < plain.length; t += columns)
    for (let o = 0; o < weight.length; o += columns) {
      let lost = 0
      for (let j = 0; j < columns; j++) lost += plain[t + j] * weight[o + j] - rounded[t + j] * made[o + j]
      sum += lost ** 2
    }
  return sum
}
