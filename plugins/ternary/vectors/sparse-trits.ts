/**
 * The algebra on lists of places: what it costs grows with the dimensions that are not 0, not with all of them.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { balanced, expectTrit } from '../numbers/trit.ts'
import { bitIndices, expectPlanes } from './planes.ts'
import { drawTrits } from './random-trits.ts'
import {
  cosineOf,
  expectDims,
  expectSameDims,
  expectShift,
  expectVectors,
  expectWeights,
  type SparseTritVec,
  type TritAlgebra,
} from './trit-vec.ts'

/**
 * The algebra on sparse vectors.
 *
 * @example
 * ```ts
 * import { sparseTrits } from 'tritune/plugins/ternary'
 *
 * const a = sparseTrits.random({ dims: 1_000_000, seed: 1, density: 0.001 })
 * const moved = sparseTrits.permute(a, 5)
 * console.log(sparseTrits.dot(a, a) === sparseTrits.dot(moved, moved), sparseTrits.bytes(a) < 10_000) // → true true
 * ```
 */
export const sparseTrits: TritAlgebra<SparseTritVec> = {
  zeros(dims) {
    expectDims('zeros', dims)
    return sparse(dims, new Uint32Array(0), new Uint32Array(0))
  },
  random(options) {
    const lists = createLists()
    drawTrits(options, (i, trit) => lists.put(i, trit))
    return lists.vector(options.dims)
  },
  fromArray(trits) {
    expectDims('fromArray', trits.length)
    const lists = createLists()
    for (let i = 0; i < trits.length; i++) lists.put(i, expectTrit(`fromArray, dimension ${i}`, trits[i]))
    return lists.vector(trits.length)
  },
  fromIndices({ dims, positive, negative }) {
    expectDims('fromIndices', dims)
    const [plus, minus] = [positive, negative].map((places) => {
      for (let j = 0; j < places.length; j++)
        expectInteger('fromIndices', 'a place', places[j], { max: dims - 1 })
      return Uint32Array.from(places).toSorted()
    })
    const all = joined(plus, minus).toSorted()
    const twice = all.findIndex((place, j) => j > 0 && place === all[j - 1])
    if (twice !== -1) throw new TrituneError('E_VALUE', `fromIndices: dimension ${all[twice]} is there twice`)
    return sparse(dims, plus, minus)
  },
  fromPlanes({ dims, plus, minus }) {
    expectDims('fromPlanes', dims)
    expectPlanes('fromPlanes', dims, plus, minus)
    return sparse(dims, bitIndices(plus), bitIndices(minus))
  },
  from: (vector) =>
    vector.kind === 'sparse'
      ? vector
      : sparse(vector.dims, bitIndices(vector.plus), bitIndices(vector.minus)),
  toArray({ dims, positive, negative }) {
    const trits = new Int8Array(dims)
    for (const i of positive) trits[i] = 1
    for (const i of negative) trits[i] = -1
    return trits
  },
  get({ dims, positive, negative }, i) {
    expectInteger('get', 'i', i, { max: dims - 1 })
    return has(positive, i) ? 1 : has(negative, i) ? -1 : 0
  },
  equals(a, b) {
    expectSameDims('equals', a, b)
    return sameList(a.positive, b.positive) && sameList(a.negative, b.negative)
  },
  bind: (a, b) => combined('bind', a, b, (x, y) => x - y),
  unbind: (x, b) => combined('unbind', x, b, (y, z) => y + z),
  product: (a, b) => combined('product', a, b, (x, y) => x * y),
  negate: ({ dims, positive, negative }) => sparse(dims, negative, positive),
  bundle: (vectors) => {
    expectVectors('bundle', vectors)
    return summed(
      vectors,
      vectors.map(() => 1),
    )
  },
  weightedBundle(vectors, weights) {
    expectVectors('weightedBundle', vectors)
    return summed(vectors, expectWeights(weights, vectors.length))
  },
  permute({ dims, positive, negative }, shift = 1) {
    const up = expectShift(shift, dims)
    return sparse(dims, rotated(positive, up, dims), rotated(negative, up, dims))
  },
  dot(a, b) {
    expectSameDims('dot', a, b)
    return (
      common(a.positive, b.positive) +
      common(a.negative, b.negative) -
      common(a.positive, b.negative) -
      common(a.negative, b.positive)
    )
  },
  cosine: (a, b) => cosineOf(sparseTrits.dot(a, b), nonzeros(a), nonzeros(b)),
  hamming(a, b) {
    expectSameDims('hamming', a, b)
    // Opposite signs are one place that differs; each is in neither of the agreements and in both counts.
    const agree = common(a.positive, b.positive) + common(a.negative, b.negative)
    const opposed = common(a.positive, b.negative) + common(a.negative, b.positive)
    return nonzeros(a) + nonzeros(b) - 2 * agree - opposed
  },
  sum: ({ positive, negative }) => positive.length - negative.length,
  counts: ({ dims, positive, negative }) => ({
    positive: positive.length,
    negative: negative.length,
    zero: dims - positive.length - negative.length,
  }),
  bytes: ({ positive, negative }) => positive.byteLength + negative.byteLength,
}

/** The two lists of a vector, filled in ascending order. */
interface Lists {
  /** Puts the sign of `value` at i. */
  put(i: number, value: number): void
  vector(dims: number): SparseTritVec
}

function createLists(): Lists {
  const [positive, negative]: [number[], number[]] = [[], []]
  return {
    put(i, value) {
      if (value > 0) positive.push(i)
      else if (value < 0) negative.push(i)
    },
    vector: (dims) => sparse(dims, Uint32Array.from(positive), Uint32Array.from(negative)),
  }
}

function sparse(dims: number, positive: Uint32Array, negative: Uint32Array): SparseTritVec {
  return { kind: 'sparse', dims, positive, negative }
}

function nonzeros({ positive, negative }: SparseTritVec): number {
  return positive.length + negative.length
}

/** Walks the places where either vector is not 0; elsewhere every operation gives 0. */
function combined(
  subject: string,
  a: SparseTritVec,
  b: SparseTritVec,
  of: (x: number, y: number) => number,
): SparseTritVec {
  expectSameDims(subject, a, b)
  const lists = createLists()
  const [left, right] = [walk(a), walk(b)]
  while (left.place < a.dims || right.place < a.dims) {
    const place = Math.min(left.place, right.place)
    lists.put(place, balanced(of(left.take(place), right.take(place))))
  }
  return lists.vector(a.dims)
}

interface Walk {
  /** The next place that is not 0; `dims` at the end. */
  readonly place: number
  /** The trit at `place`, which is the next or before it; goes on where it was the next. */
  take(place: number): number
}

function walk({ dims, positive, negative }: SparseTritVec): Walk {
  let [i, j] = [0, 0]
  return {
    get place() {
      return Math.min(i < positive.length ? positive[i] : dims, j < negative.length ? negative[j] : dims)
    },
    take(place) {
      if (positive[i] === place) {
        i++
        return 1
      }
      if (negative[j] === place) {
        j++
        return -1
      }
      return 0
    },
  }
}

function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const all = new Uint32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

/** In f32 and in the order of the vectors; whole weights are exact. */
function summed(vectors: readonly SparseTritVec[], weights: ArrayLike<number>): SparseTritVec {
  const sums = new Map<number, number>()
  const add = (places: Uint32Array, weight: number): void => {
    for (const i of places) sums.set(i, Math.fround((sums.get(i) ?? 0) + weight))
  }
  for (const [j, { positive, negative }] of vectors.entries()) {
    add(positive, weights[j])
    add(negative, -weights[j])
  }
  const lists = createLists()
  for (const i of Uint32Array.from(sums.keys()).toSorted()) lists.put(i, sums.get(i) ?? 0)
  return lists.vector(vectors[0].dims)
}

/** Places moved up by `up`; those that leave come in from below, still in order. */
function rotated(places: Uint32Array, up: number, dims: number): Uint32Array {
  const split = lowerBound(places, dims - up)
  const out = new Uint32Array(places.length)
  for (let j = 0; j < places.length; j++) {
    const from = (split + j) % places.length
    out[j] = (places[from] + up) % dims
  }
  return out
}

/** How many places two lists share. */
function common(a: Uint32Array, b: Uint32Array): number {
  let [i, j, count] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i], b[j]]
    count += Number(x === y)
    i += Number(x <= y)
    j += Number(y <= x)
  }
  return count
}

function has(places: Uint32Array, i: number): boolean {
  return places[lowerBound(places, i)] === i
}

/** The first entry that is not below `limit`. */
function lowerBound(places: Uint32Array, limit: number): number {
  let [low, high] = [0, places.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (places[middle] < limit) low = middle + 1
    else high = middle
  }
  return low
}

function sameList(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((place, j) => place === b[j])
}
