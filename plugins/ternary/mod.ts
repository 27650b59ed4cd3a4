/**
 * Balanced ternary: numbers, vectors, and what is built of them. See README.md.
 *
 * @module
 */
export { balancedTernary, type BalancedTernary } from './numbers/balanced-ternary.ts'
export { expectTrit, isTrit, trit, type Trit, type TritArithmetic } from './numbers/trit.ts'
export { tryte3, type TritWord, word6 } from './numbers/trit-word.ts'
export { packedTrits } from './vectors/packed-trits.ts'
export { sparseTrits } from './vectors/sparse-trits.ts'
export type {
  PackedTritVec,
  RandomTritsOptions,
  SparseTritVec,
  TritAlgebra,
  TritCounts,
  TritIndices,
  TritPlanes,
  TritVec,
} from './vectors/trit-vec.ts'
