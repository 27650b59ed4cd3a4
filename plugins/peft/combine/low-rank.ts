/**
 * A change of a weight as a product B·A of a given rank: the nearest one, by singular values. As PEFT splits it: B = U·diag(s), A = Vᵀ.
 */
import { type Matrix, product, transposed } from '../../../core/linalg/matrix.ts'
import {
  type LinearMap,
  linearMap,
  type Singular,
  thinQr,
  topSingular,
  createRandom,
} from '../../../core/mod.ts'

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
export function denseFactors(change: LinearMap, options: RankOptions): Factors {
  const count = Math.min(options.rank, change.rows, change.columns)
  return splitFactors(topSingular(change, count, createRandom(0, 'singular')), options)
}

/** Of left (outputs, n) · right (n, inputs), without ever making their product where n is small. */
export function productFactors(left: Matrix, right: Matrix, options: RankOptions): Factors {
  if (left.columns > Math.min(left.rows, right.columns))
    return denseFactors(linearMap(product(left, right)), options)
  const [one, two] = [thinQr(left), thinQr(transposed(right))]
  const core = linearMap(product(one.r, transposed(two.r)))
  const { u, s, v } = topSingular(core, Math.min(options.rank, core.rows), createRandom(0, 'singular'))
  return splitFactors({ u: product(one.q, u), s, v: product(two.q, v) }, options)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Ranks that the change has not are zeros. */
function splitFactors({ u, s, v }: Singular, { rank, clamp }: RankOptions): Factors {
  const b = new Float32Array(u.rows * rank)
  const a = new Float32Array(rank * v.rows)
  for (const [k, size] of s.entries()) {
    for (let i = 0; i < u.rows; i++) b[i * rank + k] = u.data[i * u.columns + k] * size
    for (let j = 0; j < v.rows; j++) a[k * v.rows + j] = v.data[j * v.columns + k]
  }
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
