/**
 * Singular value decomposition in f64: QR by Householder reflections, then one-sided Jacobi rotations on the triangle. Exact to the last
 * digits also where singular values are close together; cubic in the smaller side, so it is for small matrices.
 */

/** Row-major. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly values: Float64Array
}

/** A = U·diag(s)·V, s falling; U (rows, n), V (n, columns), n the smaller side. */
export interface Svd {
  readonly u: Matrix
  readonly s: Float64Array
  readonly v: Matrix
}

export function svd(a: Matrix): Svd {
  if (a.rows < a.columns) {
    const { u, s, v } = svd(transposed(a))
    return { u: transposed(v), s, v: transposed(u) }
  }
  const { q, r } = qr(a)
  const { u, s, v } = jacobi(r)
  return { u: product(q, u), s, v }
}

/** A (rows ≥ columns) = Q·R with orthonormal columns of Q (rows, columns) and an upper triangle R. */
export function qr(a: Matrix): { readonly q: Matrix; readonly r: Matrix } {
  const { rows, columns } = a
  const work = transposed(a).values // column after column
  const column = (j: number): Float64Array => work.subarray(j * rows, (j + 1) * rows)
  const reflections = Array.from({ length: columns }, (_, j) => {
    const v = Float64Array.from(column(j), (value, i) => (i < j ? 0 : value))
    const size = Math.sqrt(dot(v, v))
    v[j] += v[j] < 0 ? -size : size
    for (let k = j; k < columns; k++) reflect(column(k), v)
    return v
  })
  const q = new Float64Array(columns * rows)
  for (let j = 0; j < columns; j++) {
    const target = q.subarray(j * rows, (j + 1) * rows)
    target[j] = 1
    for (const v of reflections.toReversed()) reflect(target, v)
  }
  const r = Float64Array.from({ length: columns * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns]
    return i <= j ? work[j * rows + i] : 0
  })
  return {
    q: transposed({ rows: columns, columns: rows, values: q }),
    r: { rows: columns, columns, values: r },
  }
}

export function transposed({ rows, columns, values }: Matrix): Matrix {
  const turned = new Float64Array(values.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]
  return { rows: columns, columns: rows, values: turned }
}

export function product(a: Matrix, b: Matrix): Matrix {
  const values = new Float64Array(a.rows * b.columns)
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.columns; k++) {
      const factor = a.values[i * a.columns + k]
      if (factor === 0) continue
      for (let j = 0; j < b.columns; j++) values[i * b.columns + j] += factor * b.values[k * b.columns + j]
    }
  return { rows: a.rows, columns: b.columns, values }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const SWEEPS = 60

/** Of a square matrix: rotates pairs of columns until all are orthogonal; what they then are is U·diag(s). */
function jacobi(a: Matrix): Svd {
  const n = a.rows
  const columns = transposed(a).values
  const turns = new Float64Array(n * n)
  for (let i = 0; i < n; i++) turns[i * n + i] = 1
  const at = (values: Float64Array, j: number): Float64Array => values.subarray(j * n, (j + 1) * n)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let isDone = true
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        const [x, y] = [at(columns, p), at(columns, q)]
        const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)]
        if (Math.abs(xy) <= 1e-15 * Math.sqrt(xx * yy) || xy === 0) continue
        isDone = false
        const zeta = (yy - xx) / (2 * xy)
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
        const cos = 1 / Math.sqrt(1 + t * t)
        rotate(x, y, cos, cos * t)
        rotate(at(turns, p), at(turns, q), cos, cos * t)
      }
    if (isDone) break
  }
  const sizes = Float64Array.from({ length: n }, (_, j) => Math.sqrt(dot(at(columns, j), at(columns, j))))
  const order = Array.from({ length: n }, (_, j) => j).toSorted((i, j) => sizes[j] - sizes[i])
  const u = new Float64Array(n * n)
  const v = new Float64Array(n * n)
  for (const [rank, j] of order.entries()) {
    if (sizes[j] > 0) for (let i = 0; i < n; i++) u[i * n + rank] = columns[j * n + i] / sizes[j]
    v.set(at(turns, j), rank * n)
  }
  return {
    u: { rows: n, columns: n, values: u },
    s: Float64Array.from(order, (j) => sizes[j]),
    v: { rows: n, columns: n, values: v },
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i] * b[i]
  return total
}

function rotate(x: Float64Array, y: Float64Array, cos: number, sin: number): void {
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i], y[i]]
    x[i] = cos * a - sin * b
    y[i] = sin * a + cos * b
  }
}

/** target − 2·v·(v·target)/(v·v) */
function reflect(target: Float64Array, v: Float64Array): void {
  const size = dot(v, v)
  if (size === 0) return
  const factor = (2 * dot(v, target)) / size
  for (let i = 0; i < target.length; i++) target[i] -= factor * v[i]
}
