/**
 * Hypervectors as arrays of −1, 0 and 1, under the names of tritter-accel. The algebra is plugins/ternary's; who does more than a few operations keeps
 * its packed vectors. All throw E_VALUE for an entry that is no trit, E_SHAPE for vectors of different dimensions.
 */
import { packedTrits } from '../ternary/mod.ts'

/** Trits, one an entry. */
export type Trits = ArrayLike<number>

/** (a − key) mod 3, balanced. */
export function vsaBind(a: Trits, key: Trits): Int8Array {
  return packedTrits.toArray(packedTrits.bind(packedTrits.fromArray(a), packedTrits.fromArray(key)))
}

/** (bound + key) mod 3, balanced: undoes `vsaBind` exactly. */
export function vsaUnbind(bound: Trits, key: Trits): Int8Array {
  return packedTrits.toArray(packedTrits.unbind(packedTrits.fromArray(bound), packedTrits.fromArray(key)))
}

/** The sign of the sum, 0 where it is 0. Throws E_SHAPE for no vectors. */
export function vsaBundle(vectors: readonly Trits[]): Int8Array {
  return packedTrits.toArray(packedTrits.bundle(vectors.map((one) => packedTrits.fromArray(one))))
}

/** Their cosine; 0 where one is all 0. */
export function vsaSimilarity(a: Trits, b: Trits): number {
  return packedTrits.cosine(packedTrits.fromArray(a), packedTrits.fromArray(b))
}

/**
 * Every value equally likely; the same for the same seed.
 *
 * @example
 * ```ts
 * import { vsaBind, vsaRandom, vsaSimilarity, vsaUnbind } from 'tritune/plugins/accel'
 *
 * const [a, key] = [vsaRandom(10_000, 1), vsaRandom(10_000, 2)]
 * const bound = vsaBind(a, key)
 * console.log(Math.abs(vsaSimilarity(bound, a)) < 0.6, vsaSimilarity(vsaUnbind(bound, key), a)) // → true 1
 * ```
 */
export function vsaRandom(dims: number, seed: number): Int8Array {
  return packedTrits.toArray(packedTrits.random({ dims, seed }))
}
