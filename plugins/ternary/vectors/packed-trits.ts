/**
 * The algebra on bit planes, 32 dimensions at a time. It is the definition that the batched kernels are held against. A column that is
 * clear in both planes is 0; the tail stays 0 because no formula sets a bit where all its inputs are clear.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { expectTrit } from '../numbers/trit.ts'
import { bitIndices, countBits, expectPlanes, orShifted, popcount, wordsOf } from './planes.ts'
import { drawTrits } from './random-trits.ts'
import {
  cosineOf,
  expectDims,
  expectSameDims,
  expectShift,
  expectVectors,
  expectWeights,
  type PackedTritVec,
  type TritAlgebra,
  type TritIndices,
} from './trit-vec.ts'

/**
 * The algebra on packed vectors.
 *
 * @example
 * ```ts
 * import { packedTrits } from 'tritune/plugins/ternary'
 *
 * const [a, key] = [1, 2].map((seed) => packedTrits.random({ dims: 10_000, seed }))
 * const bound = packedTrits.bind(a, key)
 * console.log(packedTrits.equals(packedTrits.unbind(bound, key), a)) // → true
 * console.log(Math.abs(packedTrits.cosine(bound, a)) > 0.9) // → false
 * ```
 */
export const packedTrits: TritAlgebra<PackedTritVec> = {
  zeros(dims) {
    expectDims('zeros', dims)
    return empty(dims)
  },
  random(options) {
    const { plus, minus } = empty(options.dims)
    drawTrits(options, (i, trit) => {
      const plane = trit === 1 ? plus : minus
      plane[i >> 5] |= 1 << (i & 31)
    })
    return packed(options.dims, plus, minus)
  },
  fromArray(trits) {
    expectDims('fromArray', trits.length)
    const { dims, plus, minus } = empty(trits.length)
    for (let i = 0; i < dims; i++) {
      const trit = expectTrit(`fromArray, dimension ${i}`, trits[i])
      if (trit !== 0) (trit === 1 ? plus : minus)[i >> 5] |= 1 << (i & 31)
    }
    return packed(dims, plus, minus)
  },
  fromIndices({ dims, positive, negative }: TritIndices) {
    expectDims('fromIndices', dims)
    const { plus, minus } = empty(dims)
    for (const [plane, places] of [
      [plus, positive],
      [minus, negative],
    ] as const)
      for (let j = 0; j < places.length; j++) {
        const i = places[j]
        expectInteger('fromIndices', 'a place', i, { max: dims - 1 })
        const bit = 1 << (i & 31)
        if (((plus[i >> 5] | minus[i >> 5]) & bit) !== 0)
          throw new TrituneError('E_VALUE', `fromIndices: dimension ${i} is there twice`)
        plane[i >> 5] |= bit
      }
    return packed(dims, plus, minus)
  },
  fromPlanes({ dims, plus, minus }) {
    expectDims('fromPlanes', dims)
    expectPlanes('fromPlanes', dims, plus, minus)
    return packed(dims, plus.slice(), minus.slice())
  },
  from: (vector) => (vector.kind === 'packed' ? vector : packedTrits.fromIndices(vector)),
  toArray({ dims, plus, minus }) {
    const trits = new Int8Array(dims)
    for (const i of bitIndices(plus)) trits[i] = 1
    for (const i of bitIndices(minus)) trits[i] = -1
    return trits
  },
  get({ dims, plus, minus }, i) {
    expectInteger('get', 'i', i, { max: dims - 1 })
    const bit = 1 << (i & 31)
    return (plus[i >> 5] & bit) !== 0 ? 1 : (minus[i >> 5] & bit) !== 0 ? -1 : 0
  },
  equals: (a, b) => packedTrits.hamming(a, b) === 0,
  bind(a, b) {
    const { plus, minus } = emptyFor('bind', a, b)
    for (let w = 0; w < plus.length; w++) {
      const [ap, am, bp, bm] = [a.plus[w], a.minus[w], b.plus[w], b.minus[w]]
      const [za, zb] = [~(ap | am), ~(bp | bm)]
      plus[w] = (ap & zb) | (za & bm) | (am & bp)
      minus[w] = (am & zb) | (za & bp) | (ap & bm)
    }
    return packed(a.dims, plus, minus)
  },
  unbind(x, b) {
    const { plus, minus } = emptyFor('unbind', x, b)
    for (let w = 0; w < plus.length; w++) {
      const [xp, xm, bp, bm] = [x.plus[w], x.minus[w], b.plus[w], b.minus[w]]
      const [zx, zb] = [~(xp | xm), ~(bp | bm)]
      plus[w] = (xp & zb) | (zx & bp) | (xm & bm)
      minus[w] = (xm & zb) | (zx & bm) | (xp & bp)
    }
    return packed(x.dims, plus, minus)
  },
  product(a, b) {
    const { plus, minus } = emptyFor('product', a, b)
    for (let w = 0; w < plus.length; w++) {
      plus[w] = (a.plus[w] & b.plus[w]) | (a.minus[w] & b.minus[w])
      minus[w] = (a.plus[w] & b.minus[w]) | (a.minus[w] & b.plus[w])
    }
    return packed(a.dims, plus, minus)
  },
  negate: ({ dims, plus, minus }) => packed(dims, minus, plus),
  bundle(vectors) {
    expectVectors('bundle', vectors)
    const { dims, plus, minus } = empty(vectors[0].dims)
    const digits = 32 - Math.clz32(vectors.length)
    const counters = { positive: new Int32Array(digits), negative: new Int32Array(digits) }
    for (let w = 0; w < plus.length; w++) {
      counters.positive.fill(0)
      counters.negative.fill(0)
      for (const vector of vectors) {
        countUp(counters.positive, vector.plus[w])
        countUp(counters.negative, vector.minus[w])
      }
      let [more, less] = [0, 0]
      for (let digit = digits - 1; digit >= 0; digit--) {
        const [p, n] = [counters.positive[digit], counters.negative[digit]]
        const open = ~(more | less)
        more |= open & p & ~n
        less |= open & n & ~p
      }
      plus[w] = more
      minus[w] = less
    }
    return packed(dims, plus, minus)
  },
  weightedBundle(vectors, weights) {
    expectVectors('weightedBundle', vectors)
    const rounded = expectWeights(weights, vectors.length)
    const { dims, plus, minus } = empty(vectors[0].dims)
    const sums = new Float32Array(dims)
    for (const [j, vector] of vectors.entries()) {
      for (const i of bitIndices(vector.plus)) sums[i] += rounded[j]
      for (const i of bitIndices(vector.minus)) sums[i] -= rounded[j]
    }
    for (let i = 0; i < dims; i++) if (sums[i] !== 0) (sums[i] > 0 ? plus : minus)[i >> 5] |= 1 << (i & 31)
    return packed(dims, plus, minus)
  },
  permute(a, shift = 1) {
    const up = expectShift(shift, a.dims)
    if (up === 0) return a
    const { plus, minus } = empty(a.dims)
    for (const [out, plane] of [
      [plus, a.plus],
      [minus, a.minus],
    ] as const) {
      orShifted(out, plane, up)
      clearTail(out, a.dims)
      orShifted(out, plane, up - a.dims)
    }
    return packed(a.dims, plus, minus)
  },
  dot(a, b) {
    expectSameDims('dot', a, b)
    let dot = 0
    for (let w = 0; w < a.plus.length; w++) {
      const [ap, am, bp, bm] = [a.plus[w], a.minus[w], b.plus[w], b.minus[w]]
      dot += popcount((ap & bp) | (am & bm)) - popcount((ap & bm) | (am & bp))
    }
    return dot
  },
  cosine: (a, b) => cosineOf(packedTrits.dot(a, b), nonzeros(a), nonzeros(b)),
  hamming(a, b) {
    expectSameDims('hamming', a, b)
    let count = 0
    for (let w = 0; w < a.plus.length; w++)
      count += popcount((a.plus[w] ^ b.plus[w]) | (a.minus[w] ^ b.minus[w]))
    return count
  },
  sum: ({ plus, minus }) => countBits(plus) - countBits(minus),
  counts({ dims, plus, minus }) {
    const [positive, negative] = [countBits(plus), countBits(minus)]
    return { positive, negative, zero: dims - positive - negative }
  },
  bytes: ({ plus, minus }) => plus.byteLength + minus.byteLength,
}

/** A packed vector of planes that are known to be one; they are not copied. */
export function packed(dims: number, plus: Uint32Array, minus: Uint32Array): PackedTritVec {
  return { kind: 'packed', dims, plus, minus }
}

function empty(dims: number): PackedTritVec {
  return packed(dims, new Uint32Array(wordsOf(dims)), new Uint32Array(wordsOf(dims)))
}

function emptyFor(subject: string, a: PackedTritVec, b: PackedTritVec): PackedTritVec {
  expectSameDims(subject, a, b)
  return empty(a.dims)
}

function nonzeros({ plus, minus }: PackedTritVec): number {
  return countBits(plus) + countBits(minus)
}

/** Adds a bit to each of 32 counters, whose digits lie in one word each. */
function countUp(digits: Int32Array, bits: number): void {
  for (let [digit, carry] = [0, bits]; carry !== 0; digit++) {
    const before = digits[digit]
    digits[digit] = before ^ carry
    carry &= before
  }
}

function clearTail(plane: Uint32Array, dims: number): void {
  if (dims % 32 !== 0) plane[plane.length - 1] &= (1 << (dims % 32)) - 1
}
