/**
 * QR, eigenvectors and singular values: against their definitions, and the large method against the small one.
 */
import { expect, test } from 'bun:test'
import {
  createRandom,
  linearMap,
  type LinearMap,
  type Matrix,
  matrix,
  roughSingular,
  symmetricEigen,
  tensor,
  tensorMap,
  thinQr,
  topSingular,
} from '../../../core/mod.ts'
import { innerProduct, product, transposed } from '../../../core/linalg/matrix.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const random = createRandom(seed)
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )
}

/** U·diag(σ)·Vᵀ with U, V orthonormal. */
function withSpectrum(rows: number, columns: number, sigma: readonly number[], seed: number): Matrix {
  const k = sigma.length
  const u = thinQr(randomMatrix(rows, k, seed)).q
  const v = thinQr(randomMatrix(columns, k, seed + 1)).q
  const scaled = matrix(
    rows,
    k,
    u.data.map((value, i) => value * sigma[i % k]),
  )
  return product(scaled, transposed(v))
}

function largest(a: Matrix, b: Matrix): number {
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0)
}

function identity(n: number): Matrix {
  const result = matrix(n, n)
  for (let i = 0; i < n; i++) result.data[i * n + i] = 1
  return result
}

/** sin of the largest angle between two subspaces, at most its Frobenius norm. */
function distance(a: Matrix, b: Matrix): number {
  const own = product(a, innerProduct(a, b))
  return Math.hypot(...b.data.map((value, i) => value - own.data[i]))
}

test.each([
  [1, 1],
  [5, 5],
  [40, 7],
  [130, 16],
])('thinQr() of %i × %i: orthonormal times upper triangular, signs as LAPACK', (rows, columns) => {
  const a = randomMatrix(rows, columns, rows)
  const { q, r } = thinQr(a)
  expect(largest(product(q, r), a)).toBeLessThan(1e-12)
  expect(largest(innerProduct(q, q), identity(columns))).toBeLessThan(1e-13)
  for (let i = 0; i < columns; i++) for (let j = 0; j < i; j++) expect(r.data[i * columns + j]).toBe(0)
  // geqrf: beta has the sign that the pivot has not; with the first column that is a[0].
  expect(Math.sign(r.data[0])).toBe(rows === 1 ? Math.sign(a.data[0]) : -Math.sign(a.data[0]))
})

test('thinQr() of columns that are the same: still orthonormal', () => {
  const column = randomMatrix(9, 1, 3)
  const a = matrix(9, 3)
  for (let i = 0; i < 9; i++) a.data.fill(column.data[i], i * 3, i * 3 + 3)
  const { q, r } = thinQr(a)
  expect(largest(innerProduct(q, q), identity(3))).toBeLessThan(1e-12)
  expect(largest(product(q, r), a)).toBeLessThan(1e-12)
})

test.each([1, 2, 3, 30, 101])('symmetricEigen() of %i rows: A·V = V·Λ, V orthonormal, largest first', (n) => {
  const half = randomMatrix(n, n, n)
  const a = matrix(
    n,
    n,
    half.data.map((value, i) => value + half.data[(i % n) * n + Math.floor(i / n)]),
  )
  const { values, vectors } = symmetricEigen(a)
  const scaled = matrix(
    n,
    n,
    vectors.data.map((value, i) => value * values[i % n]),
  )
  expect(largest(product(a, vectors), scaled)).toBeLessThan(1e-11 * n)
  expect(largest(innerProduct(vectors, vectors), identity(n))).toBeLessThan(1e-12 * n)
  expect([...values]).toEqual([...values].toSorted((x, y) => y - x))
})

test('symmetricEigen() of low rank but for the rounding of f32, which comes back with every rotation', () => {
  const [n, rank] = [256, 24]
  for (const seed of [1, 2, 3]) {
    const [left, right] = [randomMatrix(n, rank, seed), randomMatrix(rank, n, seed + 10)]
    left.data.forEach((value, i) => void (left.data[i] = value * (i % rank < 8 ? 1 : 0.02)))
    const change = product(left, right)
    const rounded = matrix(n, n, Float64Array.from(change.data, Math.fround))
    const { values, vectors } = symmetricEigen(innerProduct(rounded, rounded))
    expect(largest(innerProduct(vectors, vectors), identity(n))).toBeLessThan(1e-12 * n)
    for (const value of values.slice(rank)) expect(Math.abs(value)).toBeLessThan(1e-12 * values[0])
    expect(values[rank - 1]).toBeGreaterThan(1e-6 * values[0])
  }
})

test('symmetricEigen() of a diagonal and of zeros', () => {
  const diagonal = matrix(3, 3, Float64Array.of(1, 0, 0, 0, 5, 0, 0, 0, -2))
  expect([...symmetricEigen(diagonal).values]).toEqual([5, 1, -2])
  expect([...symmetricEigen(matrix(4, 4)).values]).toEqual([0, 0, 0, 0])
})

/** Falls slowly, as the spectra of trained weights do, with a few that stand out. */
function slow(k: number): number[] {
  return Array.from({ length: k }, (_, i) => (i < 3 ? 20 / (i + 1) : 3 / (1 + i) ** 0.35))
}

test.each([
  [300, 520, 8],
  [520, 300, 16],
  [40, 60, 5],
])('topSingular() of %i × %i, rank %i: the subspaces of a known decomposition', (rows, columns, rank) => {
  const k = Math.min(rows, columns)
  const a = withSpectrum(rows, columns, slow(k), rows)
  const u = thinQr(randomMatrix(rows, k, rows)).q
  const { u: found, s } = topSingular(linearMap(a), rank, createRandom(9))
  const first = matrix(rows, rank)
  for (let i = 0; i < rows; i++) for (let j = 0; j < rank; j++) first.data[i * rank + j] = u.data[i * k + j]
  expect(distance(first, found)).toBeLessThan(1e-4)
  for (let i = 0; i < rank; i++) expect(Math.abs(s[i] - slow(k)[i])).toBeLessThan(1e-8)
})

test('topSingular() by the products of a device in f32: subspaces within 1e-4', () => {
  const [rows, columns, rank] = [384, 700, 12]
  const a = withSpectrum(rows, columns, slow(rows), 77)
  using weight = tensor(a.data, { shape: [rows, columns], device: openCpu() })
  const wide = topSingular(linearMap(a), rank, createRandom(1))
  const narrow = topSingular(tensorMap(weight), rank, createRandom(2))
  expect(distance(wide.u, narrow.u)).toBeLessThan(1e-4)
  expect(distance(wide.v, narrow.v)).toBeLessThan(1e-4)
  for (let i = 0; i < rank; i++) expect(Math.abs(wide.s[i] / narrow.s[i] - 1)).toBeLessThan(1e-5)
})

test('topSingular() of a weight with less rank than asked, and of zeros', () => {
  const thin = withSpectrum(300, 400, [5, 2], 4)
  const { s, u } = topSingular(linearMap(thin), 4, createRandom(3))
  expect([...s].map((value) => value.toFixed(6))).toEqual(['5.000000', '2.000000', '0.000000', '0.000000'])
  expect(u.data.every(Number.isFinite)).toBe(true)
  expect([...topSingular(linearMap(matrix(300, 400)), 2, createRandom(3)).s]).toEqual([0, 0])
})

test('roughSingular(): more rounds come nearer', () => {
  const a = withSpectrum(120, 90, slow(90), 5)
  const map: LinearMap = linearMap(a)
  const exact = topSingular(map, 4, createRandom(1))
  const after = (rounds: number): number =>
    distance(exact.u, roughSingular(map, 4, rounds, createRandom(2)).u)
  expect(after(16)).toBeLessThan(after(1))
  expect(after(64)).toBeLessThan(1e-2)
})
