/**
 * The algebra on plain arrays of trits, one by one and by the book: what both forms and every device are held against.
 */
import { expect } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'

export type Trits = Int8Array<ArrayBuffer>

interface Plain {
  /** As `random()`, but drawn apart: by density, the signs equally likely. */
  random(dims: number, seed: number, density?: number): Trits
  bind(a: Trits, b: Trits): Trits
  unbind(x: Trits, b: Trits): Trits
  product(a: Trits, b: Trits): Trits
  negate(a: Trits): Trits
  bundle(vectors: readonly Trits[]): Trits
  weightedBundle(vectors: readonly Trits[], weights: readonly number[]): Trits
  permute(a: Trits, shift: number): Trits
  dot(a: Trits, b: Trits): number
  hamming(a: Trits, b: Trits): number
  cosine(a: Trits, b: Trits): number
}

export const plain: Plain = {
  random(dims, seed, density = 2 / 3) {
    const random = createRandom(seed, 'plain trits')
    return Int8Array.from({ length: dims }, () => {
      if (random.float() >= density) return 0
      return random.int(2) === 0 ? 1 : -1
    })
  },
  bind: (a, b) => a.map((x, i) => balancedMod(x - b[i])),
  unbind: (x, b) => x.map((y, i) => balancedMod(y + b[i])),
  product: (a, b) => a.map((x, i) => x * b[i]),
  negate: (a) => a.map((x) => -x),
  bundle: (vectors) =>
    vectors[0].map((_, i) => Math.sign(vectors.reduce((sum, vector) => sum + vector[i], 0))),
  weightedBundle: (vectors, weights) =>
    vectors[0].map((_, i) =>
      Math.sign(
        vectors.reduce((sum, vector, j) => Math.fround(sum + Math.fround(weights[j]) * vector[i]), 0),
      ),
    ),
  permute: (a, shift) => {
    const n = a.length
    return a.map((_, i) => a[(((i - shift) % n) + n) % n])
  },
  dot: (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0),
  hamming: (a, b) => a.reduce((sum, x, i) => sum + Number(x !== b[i]), 0),
  cosine(a, b) {
    const length = Math.sqrt(plain.dot(a, a) * plain.dot(b, b))
    return length === 0 ? 0 : plain.dot(a, b) / length
  },
}

function balancedMod(n: number): number {
  const rest = ((n % 3) + 3) % 3
  return rest === 2 ? -1 : rest
}

/** Far faster than toEqual() on long arrays. */
export function expectSameTrits(got: Trits, want: Trits): void {
  expect([got.length, got.findIndex((trit, i) => trit !== want[i])]).toEqual([want.length, -1])
}

/** Dimensions at every border of words, and many. */
export const DIMENSIONS: readonly number[] = [1, 2, 31, 32, 33, 63, 64, 65, 96, 1000, 4099, 100_003]
