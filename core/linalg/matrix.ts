/**
 * Small dense matrices in f64 on the host: what factorizations are made of. Large products belong on a device.
 */

/** Row-major f64. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array<ArrayBuffer>
}

/** Zeros, or `data` as it is (not copied). */
export function matrix(
  rows: number,
  columns: number,
  data: Float64Array<ArrayBuffer> = new Float64Array(rows * columns),
): Matrix {
  return { rows, columns, data }
}

/** aᵀ. */
export function transposed({ rows, columns, data }: Matrix): Matrix {
  const result = matrix(columns, rows)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result.data[j * rows + i] = data[i * columns + j]
  return result
}

/** a·b. */
export function product(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.rows, b.columns)
  const { columns: inner } = a
  for (let i = 0; i < a.rows; i++) {
    const row = result.data.subarray(i * b.columns, (i + 1) * b.columns)
    for (let k = 0; k < inner; k++) {
      const factor = a.data[i * inner + k]
      if (factor === 0) continue
      const at = k * b.columns
      for (let j = 0; j < b.columns; j++) row[j] += factor * b.data[at + j]
    }
  }
  return result
}

/** aᵀ·b, without the transpose. */
export function innerProduct(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.columns, b.columns)
  for (let k = 0; k < a.rows; k++) {
    const at = k * b.columns
    for (let i = 0; i < a.columns; i++) {
      const factor = a.data[k * a.columns + i]
      if (factor === 0) continue
      const to = i * b.columns
      for (let j = 0; j < b.columns; j++) result.data[to + j] += factor * b.data[at + j]
    }
  }
  return result
}

/** The first, or some following, columns. */
export function columnsOf({ rows, columns, data }: Matrix, start: number, end: number): Matrix {
  const result = matrix(rows, end - start)
  for (let i = 0; i < rows; i++)
    result.data.set(data.subarray(i * columns + start, i * columns + end), i * (end - start))
  return result
}

/** Matrices of as many rows, side by side. */
export function beside(...parts: readonly Matrix[]): Matrix {
  const [{ rows }] = parts
  const result = matrix(
    rows,
    parts.reduce((sum, { columns }) => sum + columns, 0),
  )
  for (let i = 0; i < rows; i++) {
    let at = i * result.columns
    for (const { columns, data } of parts) {
      result.data.set(data.subarray(i * columns, (i + 1) * columns), at)
      at += columns
    }
  }
  return result
}
