/**
 * Trit vectors and the algebra on them: what the packed and the sparse form have in common. A vector is a value that nothing changes.
 *
 * The algebra is that of balanced ternary hypervectors (Kanerva 2009; Gayler 1998 for the product). `bind` is subtraction modulo 3, so
 * it has an inverse everywhere, which the product has not where a factor is 0; only its second operand is a key.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'

/** Two bits a dimension: dimension i is bit i % 32 of word ⌊i/32⌋ of both planes; bits past `dims` are 0. */
export interface PackedTritVec {
  readonly kind: 'packed'
  readonly dims: number
  /** Where it is +1. */
  readonly plus: Uint32Array
  /** Where it is −1; never where `plus` is set. */
  readonly minus: Uint32Array
}

/** Eight bytes a dimension that is not 0: where they are, in ascending order. */
export interface SparseTritVec {
  readonly kind: 'sparse'
  readonly dims: number
  /** Where it is +1. */
  readonly positive: Uint32Array
  /** Where it is −1. */
  readonly negative: Uint32Array
}

/** A vector of −1, 0 and 1 in either form. */
export type TritVec = PackedTritVec | SparseTritVec

/** How many dimensions have each value. */
export interface TritCounts {
  readonly positive: number
  readonly negative: number
  readonly zero: number
}

/** What `random()` draws. */
export interface RandomTritsOptions {
  readonly dims: number
  /** Whole number from 0 to 2⁵³ − 1. */
  readonly seed: number
  /** Vectors of one seed and different streams are independent; default 0. */
  readonly stream?: number | string
  /** The share of dimensions that are not 0, in the mean; default 2/3, where the three values are equally likely. */
  readonly density?: number
}

/** Places of the two signs. */
export interface TritIndices {
  readonly dims: number
  readonly positive: ArrayLike<number>
  readonly negative: ArrayLike<number>
}

/** Two bit planes. */
export interface TritPlanes {
  readonly dims: number
  readonly plus: Uint32Array
  readonly minus: Uint32Array
}

/**
 * The algebra on vectors of one form. Both forms give the same vectors and the same numbers to the last bit. Vectors of different
 * dimensions are E_SHAPE; whatever has no meaning is E_VALUE.
 */
export interface TritAlgebra<V extends TritVec> {
  zeros(dims: number): V
  random(options: RandomTritsOptions): V
  /** E_VALUE, naming the place, for an entry that is no trit. */
  fromArray(trits: ArrayLike<number>): V
  /** Places in any order; E_VALUE for one that is outside or there twice. */
  fromIndices(indices: TritIndices): V
  /** E_VALUE, naming the place, where both planes are set or a bit is past `dims`. */
  fromPlanes(planes: TritPlanes): V
  /** The vector in this form; itself where it has it. */
  from(vector: TritVec): V
  toArray(a: V): Int8Array<ArrayBuffer>
  get(a: V, i: number): -1 | 0 | 1
  equals(a: V, b: V): boolean
  /** (a − b) mod 3, balanced: b is the key. */
  bind(a: V, b: V): V
  /** (x + b) mod 3, balanced: `unbind(bind(a, b), b)` is a. */
  unbind(x: V, b: V): V
  /** Elementwise: its own inverse where b is not 0. */
  product(a: V, b: V): V
  negate(a: V): V
  /** The sign of the sum; 0 where it is 0, so of a tie. Not associative: bundle all at once. E_SHAPE for no vectors. */
  bundle(vectors: readonly V[]): V
  /** The sign of the sum of weight times vector, in f32 and in the order of the vectors. E_VALUE for a weight that is not finite. */
  weightedBundle(vectors: readonly V[], weights: ArrayLike<number>): V
  /** Dimension i moves to (i + shift) mod dims; default 1, any whole shift. */
  permute(a: V, shift?: number): V
  dot(a: V, b: V): number
  /** dot/√(nonzeros of a · nonzeros of b); 0 where either has none. */
  cosine(a: V, b: V): number
  /** How many dimensions differ. */
  hamming(a: V, b: V): number
  sum(a: V): number
  counts(a: V): TritCounts
  /** Bytes that the data of the vector takes. */
  bytes(a: V): number
}

/** Above it indices and bits of the kernels do not fit an i32. */
const LARGEST_DIMS = 2 ** 31 - 1

/** Throws E_VALUE unless dims is a whole number from 1. */
export function expectDims(subject: string, dims: number): void {
  expectInteger(subject, 'dims', dims, { min: 1, max: LARGEST_DIMS })
}

/** Throws E_SHAPE unless all vectors have the same dimensions. */
export function expectSameDims(subject: string, a: TritVec, ...others: readonly TritVec[]): void {
  for (const b of others)
    if (b.dims !== a.dims)
      throw new TrituneError('E_SHAPE', `${subject}: vectors of ${a.dims} and of ${b.dims} dimensions`, {
        remedy: 'all vectors of an operation have the same dimensions',
      })
}

/** Throws E_SHAPE unless there are vectors, all of the same dimensions. */
export function expectVectors(subject: string, vectors: readonly TritVec[]): void {
  if (vectors.length === 0) throw new TrituneError('E_SHAPE', `${subject}: there are no vectors`)
  expectSameDims(subject, vectors[0], ...vectors)
}

/** The weights as f32. Throws E_SHAPE unless there is one for each vector, E_VALUE for one that is not finite. */
export function expectWeights(weights: ArrayLike<number>, count: number): Float32Array<ArrayBuffer> {
  if (weights.length !== count)
    throw new TrituneError('E_SHAPE', `weightedBundle: ${weights.length} weights for ${count} vectors`)
  const rounded = Float32Array.from(weights)
  const wrong = rounded.findIndex((weight) => !Number.isFinite(weight))
  if (wrong !== -1)
    throw new TrituneError(
      'E_VALUE',
      `weightedBundle: weight ${wrong} is ${weights[wrong]}, which is no finite f32`,
    )
  return rounded
}

/** A shift within 0 … dims − 1 that does the same. */
export function expectShift(shift: number, dims: number): number {
  expectInteger('permute', 'shift', shift, { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  return ((shift % dims) + dims) % dims
}

/** dot/√(a·b), and 0 where one of the counts is. */
export function cosineOf(dot: number, nonzerosA: number, nonzerosB: number): number {
  return nonzerosA === 0 || nonzerosB === 0 ? 0 : dot / Math.sqrt(nonzerosA * nonzerosB)
}
