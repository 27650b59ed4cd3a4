/**
 * The largest singular values of a large matrix and their vectors, from products with it that a device computes.
 *
 *   thick-restart block Lanczos on A·Aᵀ (Wu & Simon 2000; Baglama & Reichel 2005), orthogonalized in full in f64
 *
 * The products may be f32: a subspace is right to about 1e-7·σ₁²/(σᵣ² − σᵣ₊₁²), as that of a full SVD in f32 is. Small matrices are done
 * at once, by the eigenvectors of A·Aᵀ.
 */
import { beside, columnsOf, innerProduct, type Matrix, matrix, product } from './matrix.ts'
import { symmetricEigen } from './symmetric-eigen.ts'
import { thinQr } from './thin-qr.ts'

/** A (rows, columns) by its products alone. */
export interface LinearMap {
  readonly rows: number
  readonly columns: number
  /** A·x for x (columns, n). */
  times(x: Matrix): Matrix
  /** Aᵀ·y for y (rows, n). */
  timesTransposed(y: Matrix): Matrix
}

/** A ≈ u·diag(s)·vᵀ: u (rows, r), s largest first, v (columns, r). */
export interface Singular {
  readonly u: Matrix
  readonly s: Float64Array<ArrayBuffer>
  readonly v: Matrix
}

/** What a start block is drawn from. */
export interface Draws {
  normal(): number
}

/**
 * The `rank` largest, 1 ≤ rank ≤ min(rows, columns).
 *
 * @example
 * ```ts
 * import { createRandom, linearMap, matrix, topSingular } from 'tritune/core'
 *
 * const a = matrix(2, 2, Float64Array.of(3, 0, 0, 4))
 * console.log(topSingular(linearMap(a), 1, createRandom(1)).s[0].toFixed(6)) // → 4.000000
 * ```
 */
export function topSingular(map: LinearMap, rank: number, draws: Draws): Singular {
  if (map.rows > map.columns) {
    const { u, s, v } = topSingular(flipped(map), rank, draws)
    return { u: v, s, v: u }
  }
  const { rows } = map
  const block = Math.min(16, rows)
  const kept = rank + block
  const most = kept + 6 * block
  if (rows <= Math.max(SMALL, most)) return ritz(identity(rows), map.timesTransposed(identity(rows)), rank)
  return lanczos(map, { rank, block, kept, most }, draws)
}

/** A small matrix as a map. */
export function linearMap(a: Matrix): LinearMap {
  return {
    rows: a.rows,
    columns: a.columns,
    times: (x) => product(a, x),
    timesTransposed: (y) => innerProduct(a, y),
  }
}

/**
 * An approximation by `rounds` of subspace iteration from `rank` random vectors (Halko, Martinsson & Tropp 2009, algorithm 4.4), without
 * oversampling: torch.svd_lowrank(a, q = rank, niter = rounds).
 */
export function roughSingular(map: LinearMap, rank: number, rounds: number, draws: Draws): Singular {
  let { q } = thinQr(map.times(drawn(map.columns, rank, draws)))
  for (let i = 0; i < rounds; i++) {
    const across = thinQr(map.timesTransposed(q)).q
    ;({ q } = thinQr(map.times(across)))
  }
  return ritz(q, map.timesTransposed(q), rank)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Up to so many rows the whole spectrum is cheaper. */
const SMALL = 256
const CYCLES = 100
/** Of the gap to the next singular value, and at the least of the largest one: what the residuals may be. */
const OF_GAP = 1e-5
const OF_LARGEST = 3e-7

interface Sizes {
  readonly rank: number
  readonly block: number
  /** Vectors that a restart keeps, and that the basis has before one. */
  readonly kept: number
  readonly most: number
}

function lanczos(map: LinearMap, { rank, block, kept, most }: Sizes, draws: Draws): Singular {
  let next = thinQr(drawn(map.rows, block, draws)).q
  let basis: Matrix = matrix(map.rows, 0)
  let images: Matrix = matrix(map.columns, 0)
  for (let cycle = 0; ; cycle++) {
    let coupling = matrix(block, block)
    while (basis.columns + block <= most) {
      const image = map.timesTransposed(next)
      const last = next
      basis = basis.columns === 0 ? last : beside(basis, last)
      images = images.columns === 0 ? image : beside(images, image)
      const rest = without(map.times(image), basis)
      const { q, r } = thinQr(rest)
      // What was nothing but rounding is a direction of its own; it must be one that the basis lacks.
      next = thinQr(without(q, basis)).q
      coupling = r
    }
    const { values, vectors } = symmetricEigen(innerProduct(images, images))
    const residual = residualOf(coupling, vectors, rank, block)
    const gap = values[rank - 1] - values[rank]
    const isDone = residual <= Math.max(OF_GAP * gap, OF_LARGEST * values[0]) || cycle === CYCLES
    const turn = columnsOf(vectors, 0, isDone ? rank : kept)
    basis = product(basis, turn)
    images = product(images, turn)
    if (isDone) return named(basis, images)
  }
}

/** The length of A·Aᵀ·u − λ·u, all of the first `rank` vectors together. */
function residualOf(coupling: Matrix, { rows, columns, data }: Matrix, rank: number, block: number): number {
  const last = matrix(block, rank)
  for (let i = 0; i < block; i++)
    for (let j = 0; j < rank; j++) last.data[i * rank + j] = data[(rows - block + i) * columns + j]
  return Math.hypot(...product(coupling, last).data)
}

/** x − Q·Qᵀ·x, twice, which is enough. */
function without(x: Matrix, basis: Matrix): Matrix {
  let rest = x
  for (let pass = 0; pass < 2; pass++) {
    const own = product(basis, innerProduct(basis, rest))
    rest = matrix(
      x.rows,
      x.columns,
      rest.data.map((value, i) => value - own.data[i]),
    )
  }
  return rest
}

/** The best of a subspace: q (rows, k) orthonormal, images = Aᵀ·q. */
function ritz(q: Matrix, images: Matrix, rank: number): Singular {
  const { vectors } = symmetricEigen(innerProduct(images, images))
  const turn = columnsOf(vectors, 0, rank)
  return named(product(q, turn), product(images, turn))
}

/** images = v·diag(s) */
function named(u: Matrix, images: Matrix): Singular {
  const { rows, columns } = images
  const s = new Float64Array(columns)
  const v = matrix(rows, columns)
  for (let j = 0; j < columns; j++) {
    for (let i = 0; i < rows; i++) s[j] += images.data[i * columns + j] ** 2
    s[j] = Math.sqrt(s[j])
    for (let i = 0; i < rows; i++)
      v.data[i * columns + j] = s[j] === 0 ? 0 : images.data[i * columns + j] / s[j]
  }
  return { u, s, v }
}

function flipped({ rows, columns, times, timesTransposed }: LinearMap): LinearMap {
  return { rows: columns, columns: rows, times: timesTransposed, timesTransposed: times }
}

function identity(n: number): Matrix {
  const result = matrix(n, n)
  for (let i = 0; i < n; i++) result.data[i * n + i] = 1
  return result
}

function drawn(rows: number, columns: number, draws: Draws): Matrix {
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => draws.normal()),
  )
}
