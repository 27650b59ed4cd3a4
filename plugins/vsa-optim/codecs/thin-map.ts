/**
 * A matrix as a map of few vectors: the products of `linearMap()`, to the bit, for factors of two or three columns. Each number of the matrix is loaded once for
 * two of them.
 */
import { type LinearMap, type Matrix, matrix } from '../../../core/mod.ts'

/** All numbers are finite. */
export function thinMap(a: Matrix): LinearMap {
  const { rows, columns, data } = a
  return {
    rows,
    columns,
    times(x) {
      const result = matrix(rows, x.columns)
      for (let j = 0; j < x.columns; j += 2) rowSums(result, data, pairOf(x, j), j)
      return result
    },
    timesTransposed(y) {
      const result = matrix(columns, y.columns)
      for (let j = 0; j < y.columns; j += 2) columnSums(result, data, pairOf(y, j), j)
      return result
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Two columns; the second is zeros where there is none. */
interface Pair {
  readonly one: Float64Array
  readonly other: Float64Array
}

function pairOf({ rows, columns, data }: Matrix, j: number): Pair {
  const one = new Float64Array(rows)
  const other = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    one[i] = data[i * columns + j]
    if (j + 1 < columns) other[i] = data[i * columns + j + 1]
  }
  return { one, other }
}

/** Two rows at a time: a sum alone waits for itself. */
function rowSums(
  { rows, columns: width, data: into }: Matrix,
  a: Float64Array,
  { one, other }: Pair,
  j: number,
): void {
  const isTwo = j + 1 < width
  const n = one.length
  let i = 0
  for (; i + 2 <= rows; i += 2) {
    const first = i * n
    const second = first + n
    let a0 = 0
    let a1 = 0
    let b0 = 0
    let b1 = 0
    for (let k = 0; k < n; k++) {
      const x = one[k]
      const y = other[k]
      const u = a[first + k]
      const v = a[second + k]
      a0 += u * x
      a1 += u * y
      b0 += v * x
      b1 += v * y
    }
    into[i * width + j] = a0
    into[(i + 1) * width + j] = b0
    if (!isTwo) continue
    into[i * width + j + 1] = a1
    into[(i + 1) * width + j + 1] = b1
  }
  for (; i < rows; i++) {
    let a0 = 0
    let a1 = 0
    for (let k = 0; k < n; k++) {
      const u = a[i * n + k]
      a0 += u * one[k]
      a1 += u * other[k]
    }
    into[i * width + j] = a0
    if (isTwo) into[i * width + j + 1] = a1
  }
}

function columnSums(
  { rows: n, columns: width, data: into }: Matrix,
  a: Float64Array,
  { one, other }: Pair,
  j: number,
): void {
  const x = new Float64Array(n)
  const y = new Float64Array(n)
  for (let k = 0; k < one.length; k++) addRow(x, y, a, k * n, one[k], other[k])
  for (let i = 0; i < n; i++) {
    into[i * width + j] = x[i]
    if (j + 1 < width) into[i * width + j + 1] = y[i]
  }
}

/** x ← x + p · row, y ← y + q · row */
function addRow(x: Float64Array, y: Float64Array, a: Float64Array, from: number, p: number, q: number): void {
  for (let i = 0; i < x.length; i++) {
    const value = a[from + i]
    x[i] += p * value
    y[i] += q * value
  }
}
