/**
 * What is built of vectors with order and with roles: n-grams, sequences as bundles of them, and records.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { expectVectors, type PackedTritVec } from '../vectors/trit-vec.ts'

/** A filler under its role. */
export interface RoleFiller {
  readonly role: PackedTritVec
  readonly filler: PackedTritVec
}

/**
 * One vector of a few in their order: each is permuted by how many come after it, and all are bound from the left. E_SHAPE for none.
 *
 * @example
 * ```ts
 * import { encodeNgram, packedTrits, symbolEncoder } from 'tritune/plugins/ternary'
 *
 * const { encode } = symbolEncoder({ dims: 10_000, seed: 1 })
 * const [ab, ba] = ['ab', 'ba'].map((text) => encodeNgram([...text].map(encode)))
 * console.log(Math.abs(packedTrits.cosine(ab, ba)) < 0.04) // → true
 * ```
 */
export function encodeNgram(vectors: readonly PackedTritVec[]): PackedTritVec {
  expectVectors('encodeNgram', vectors)
  return vectors
    .map((vector, i) => packedTrits.permute(vector, vectors.length - 1 - i))
    .reduce((whole, vector) => packedTrits.bind(whole, vector))
}

/**
 * A sequence as the bundle of its n-grams (default 3): like every sequence that shares many of them. E_SHAPE where it is shorter than n.
 *
 * @example
 * ```ts
 * import { encodeSequence, packedTrits, symbolEncoder } from 'tritune/plugins/ternary'
 *
 * const { encode } = symbolEncoder({ dims: 10_000, seed: 1 })
 * const of = (text: string) => encodeSequence([...text].map(encode), { n: 3 })
 * const near = packedTrits.cosine(of('balanced ternary'), of('balanced binary'))
 * const far = packedTrits.cosine(of('balanced ternary'), of('quick brown foxes'))
 * console.log(near > 0.2, far < 0.1) // → true true
 * ```
 */
export function encodeSequence(
  vectors: readonly PackedTritVec[],
  { n = 3 }: { readonly n?: number } = {},
): PackedTritVec {
  expectInteger('encodeSequence', 'n', n, { min: 1 })
  if (vectors.length < n)
    throw new TrituneError('E_SHAPE', `encodeSequence: ${vectors.length} vectors have no ${n}-gram`)
  return packedTrits.bundle(
    Array.from({ length: vectors.length - n + 1 }, (_, i) => encodeNgram(vectors.slice(i, i + n))),
  )
}

/**
 * A record: the bundle of its fillers, each bound with its role as the key. `fillerOf(record, role)` is like the filler. E_SHAPE for
 * no fields.
 *
 * @example
 * ```ts
 * import { encodeRecord, fillerOf, packedTrits, symbolEncoder } from 'tritune/plugins/ternary'
 *
 * const { encode } = symbolEncoder({ dims: 10_000, seed: 1 })
 * const fields = { name: 'Ada', field: 'mathematics', city: 'London' }
 * const record = encodeRecord(
 *   Object.entries(fields).map(([role, filler]) => ({ role: encode(role), filler: encode(filler) })),
 * )
 * const city = fillerOf(record, encode('city'))
 * console.log(packedTrits.cosine(city, encode('London')) > 0.3) // → true
 * console.log(Math.abs(packedTrits.cosine(city, encode('Paris'))) < 0.05) // → true
 * ```
 */
export function encodeRecord(fields: readonly RoleFiller[]): PackedTritVec {
  if (fields.length === 0) throw new TrituneError('E_SHAPE', 'encodeRecord: there are no fields')
  return packedTrits.bundle(fields.map(({ role, filler }) => packedTrits.bind(filler, role)))
}

/** What is like the filler that a record has under a role; an item memory says which one it is. */
export function fillerOf(record: PackedTritVec, role: PackedTritVec): PackedTritVec {
  return packedTrits.unbind(record, role)
}
