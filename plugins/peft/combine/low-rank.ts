/**
 * A change of a weight as a product B·A of a given rank: the nearest one, by singular values. As PEFT splits it: B = U·diag(s), A = V.
 */
import { type Matrix, product, qr, type Svd, svd, transposed } from './svd.ts'

/** A (rank, inputs) and B (outputs, rank), row-major. */
export interface Factors {
  readonly a: Float32Array
  readonly b: Float32Array
}

export interface RankOptions {
  readonly rank: number
  /** Numbers of both factors are cut at this quantile of them; null: they are not. */
  readonly clamp: number | null
}

/** Of a dense change (outputs, inputs). */
export function denseFactors(change: Matrix, options: RankOptions): Factors {
  return splitFactors(svd(change), options)
}

/** Of left (outputs, n) · right (n, inputs), without ever making their product: n is small. */
export function productFactors(left: Matrix, right: Matrix, options: RankOptions): Factors {
  if (left.columns > Math.min(left.rows, right.columns)) return denseFactors(product(left, right), options)
  const [one, two] = [qr(left), qr(transposed(right))]
  const { u, s, v } = svd(product(one.r, transposed(two.r)))
  return splitFactors({ u: product(one.q, u), s, v: product(v, transposed(two.q)) }, options)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Ranks that the change has not are zeros. */
function splitFactors({ u, s, v }: Svd, { rank, clamp }: RankOptions): Factors {
  const b = new Float32Array(u.rows * rank)
  const a = new Float32Array(rank * v.columns)
  const count = Math.min(rank, s.length)
  for (let i = 0; i < u.rows; i++)
    for (let k = 0; k < count; k++) b[i * rank + k] = u.values[i * u.columns + k] * s[k]
  a.set(v.values.subarray(0, count * v.columns))
  if (clamp === null) return { a, b }
  const most = quantile(joined(b, a), clamp)
  const cut = (value: number): number => Math.min(Math.max(value, -most), most)
  return { a: a.map(cut), b: b.map(cut) }
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const all = new Float32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

/** As torch.quantile: between two numbers it is interpolated. */
function quantile(values: Float32Array, share: number): number {
  const sorted = values.toSorted()
  const place = share * (sorted.length - 1)
  const low = Math.floor(place)
  const [below, above] = [sorted[low], sorted[Math.min(low + 1, sorted.length - 1)]]
  return below + (place - low) * (above - below)
}
