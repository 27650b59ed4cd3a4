/**
 * Work on trit vectors that can go one of several ways, and what each way does with it. All give the same vectors and numbers.
 */
import { type Device, tensorScope, TrituneError } from '../../../core/mod.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { sparseTrits } from '../vectors/sparse-trits.ts'
import { tritBatch, type TritBatch } from '../vectors/trit-batch.ts'
import { expectSameDims, expectVectors, type TritAlgebra, type TritVec } from '../vectors/trit-vec.ts'

/** Vectors pair by pair; b has as many as a, or one for all. */
export interface CombineWork {
  readonly op: 'bind' | 'unbind' | 'product'
  readonly a: readonly TritVec[]
  readonly b: readonly TritVec[]
}

/** All vectors to one. */
export interface BundleWork {
  readonly op: 'bundle'
  readonly a: readonly TritVec[]
}

/** Every vector of a with every one of b. */
export interface SimilarityWork {
  readonly op: 'dot' | 'hamming'
  readonly a: readonly TritVec[]
  readonly b: readonly TritVec[]
}

/** Work on vectors in the memory of the host. */
export type TritWork = CombineWork | BundleWork | SimilarityWork

/** What comes out: vectors of a combination or a bundle, or numbers, (vectors of a) × (vectors of b). */
export type TritResult =
  | { readonly kind: 'vectors'; readonly vectors: readonly TritVec[] }
  | { readonly kind: 'numbers'; readonly numbers: Int32Array }

/** Places of the signs, planes in JavaScript, planes as one batch on the CPU device, or on a GPU. */
export type TritPath = 'sparse' | 'dense' | 'batch' | 'gpu'

/** Work whose cost grows alike. */
export type TritFamily = 'combine' | 'bundle' | 'similarity'

export function familyOf({ op }: TritWork): TritFamily {
  return op === 'bundle' ? 'bundle' : op === 'dot' || op === 'hamming' ? 'similarity' : 'combine'
}

/** Throws E_SHAPE unless the vectors fit together. */
export function expectWork(work: TritWork): void {
  expectVectors(work.op, work.a)
  if (work.op === 'bundle') return
  expectVectors(work.op, work.b)
  expectSameDims(work.op, work.a[0], work.b[0])
  if (familyOf(work) === 'combine' && work.b.length !== 1 && work.b.length !== work.a.length)
    throw new TrituneError(
      'E_SHAPE',
      `${work.op}: ${work.a.length} vectors and ${work.b.length}, which must be as many or one`,
    )
}

/** The work on the host, in one of its forms. */
export function workOnHost<V extends TritVec>(algebra: TritAlgebra<V>, work: TritWork): TritResult {
  const a = work.a.map((vector) => algebra.from(vector))
  if (work.op === 'bundle') return { kind: 'vectors', vectors: [algebra.bundle(a)] }
  const b = work.b.map((vector) => algebra.from(vector))
  const { op } = work
  if (op === 'dot' || op === 'hamming')
    return { kind: 'numbers', numbers: Int32Array.from(a.flatMap((x) => b.map((y) => algebra[op](x, y)))) }
  return { kind: 'vectors', vectors: a.map((x, i) => algebra[op](x, b[b.length === 1 ? 0 : i])) }
}

/** The work as one batch on a device; vectors are copied there and back. */
export function workOnDevice(device: Device, work: TritWork): TritResult {
  using _scope = tensorScope()
  const a = tritBatch.of(work.a, { device })
  const vectors = (batch: TritBatch): TritResult => ({ kind: 'vectors', vectors: tritBatch.vectors(batch) })
  if (work.op === 'bundle') return vectors(tritBatch.bundle(a))
  const b = tritBatch.of(work.b, { device })
  if (work.op === 'dot') return { kind: 'numbers', numbers: tritBatch.dots(a, b) }
  if (work.op === 'hamming') return { kind: 'numbers', numbers: tritBatch.hamming(a, b) }
  return vectors(tritBatch[work.op](a, b))
}

/** What the time of a path grows with: words of planes, or places of sparse vectors, over all pairs. */
export function unitsOf(work: TritWork, path: TritPath): number {
  const size = path === 'sparse' ? nonzerosOf : wordsOf
  const total = (vectors: readonly TritVec[]): number =>
    vectors.reduce((sum, vector) => sum + size(vector), 0)
  if (work.op === 'bundle') return total(work.a)
  const [a, b] = [total(work.a), total(work.b)]
  if (familyOf(work) === 'similarity') return a * work.b.length + b * work.a.length
  return a + (b * work.a.length) / work.b.length
}

function wordsOf({ dims }: TritVec): number {
  return Math.ceil(dims / 32)
}

function nonzerosOf(vector: TritVec): number {
  return vector.kind === 'sparse'
    ? vector.positive.length + vector.negative.length
    : vector.dims - packedTrits.counts(vector).zero
}

/** Algebras of the paths on the host. */
export const HOST_ALGEBRAS: {
  readonly sparse: (work: TritWork) => TritResult
  readonly dense: (work: TritWork) => TritResult
} = {
  sparse: (work) => workOnHost(sparseTrits, work),
  dense: (work) => workOnHost(packedTrits, work),
}
