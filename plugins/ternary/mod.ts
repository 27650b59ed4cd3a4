/**
 * Balanced ternary: numbers, vectors, and what is built of them. See README.md.
 *
 * @module
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { tritPlanes } from './trit-quantizer.ts'

export type { DecodedTrits, DecodeTritsOptions, TritCodec, TritShape } from './codecs/trit-codec.ts'
export { repackTrits, type RepackTritsOptions, tritCodecs, type TritPacking } from './codecs/trit-codecs.ts'
export { levelEncoder, type LevelEncoder, type LevelEncoderOptions } from './encoders/level-encoder.ts'
export {
  encodeNgram,
  encodeRecord,
  encodeSequence,
  fillerOf,
  type RoleFiller,
} from './encoders/structures.ts'
export { symbolEncoder, type SymbolEncoder, type SymbolEncoderOptions } from './encoders/symbol-encoder.ts'
export {
  createItemMemory,
  type ItemMatch,
  type ItemMemory,
  type ItemMemoryOptions,
  type ItemMetric,
  type NearestOptions,
} from './memory/item-memory.ts'
export { loadItemMemory } from './memory/load-item-memory.ts'
export { factorize, type Factorization, type ResonatorOptions } from './memory/resonator.ts'
export { balancedTernary, type BalancedTernary } from './numbers/balanced-ternary.ts'
export { expectTrit, isTrit, trit, type Trit, type TritArithmetic } from './numbers/trit.ts'
export { tryte3, type TritWord, word6 } from './numbers/trit-word.ts'
export {
  tritPlanes,
  type TritPlanesTensor,
  tritQuantizer,
  type TritQuantizerOptions,
} from './trit-quantizer.ts'
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

/** The plugin that provides the quantizer `trit_planes`. */
export const ternaryAlgebra: Plugin & {
  readonly provides: { readonly quantizer: { readonly trit_planes: Capabilities['quantizer'] } }
} = /* @__PURE__ */ definePlugin({ name: 'ternary', provides: { quantizer: { trit_planes: tritPlanes } } })
