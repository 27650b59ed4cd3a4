/**
 * The bases of SOAP: eigenvectors of a Gram matrix at first, then one step of power iteration and a QR factorization now and again. Small
 * matrices in f64 on the host.
 */
import { type Matrix, matrix, symmetricEigen, thinQr } from '../../core/mod.ts'
import { innerProduct, product } from '../../core/linalg/matrix.ts'

/** A basis that takes the place of an earlier one. */
export interface NewBasis {
  /** (s, s), orthonormal columns, rounded to f32. */
  readonly basis: Matrix
  /** (s, s): what has the coordinates x in the earlier basis has turn·x in this one. */
  readonly turn: Matrix
  /** Column j was the earlier basis' column order[j]. */
  readonly order: readonly number[]
}

/** Eigenvectors as columns, those of the largest eigenvalues first. */
export function firstBasis(gram: Matrix): Matrix {
  return rounded(symmetricEigen(gram).vectors)
}

/** The Q of gram·basis, its columns sorted by the eigenvalues that they stand for. */
export function nextBasis(gram: Matrix, basis: Matrix): NewBasis {
  const { rows: size } = gram
  const moved = product(gram, basis)
  const values = new Float64Array(size)
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) values[j] += basis.data[i * size + j] * moved.data[i * size + j]
  const order = Array.from({ length: size }, (_, j) => j).toSorted((a, b) => values[b] - values[a])
  const sorted = matrix(size, size)
  for (let i = 0; i < size; i++)
    for (const [j, from] of order.entries()) sorted.data[i * size + j] = moved.data[i * size + from]
  const next = rounded(thinQr(sorted).q)
  return { basis: next, turn: innerProduct(next, basis), order }
}

/** As it is kept, so that what is turned along fits it. */
function rounded({ rows, columns, data }: Matrix): Matrix {
  return matrix(rows, columns, Float64Array.from(data, Math.fround))
}
