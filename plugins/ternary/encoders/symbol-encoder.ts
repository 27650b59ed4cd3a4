/**
 * A symbol as a random vector that its name and the seed decide: the same in every program, so nothing has to be stored.
 */
import { packedTrits } from '../vectors/packed-trits.ts'
import type { PackedTritVec } from '../vectors/trit-vec.ts'
import { expectDims } from '../vectors/trit-vec.ts'

/** What an encoder of symbols draws from. */
export interface SymbolEncoderOptions {
  readonly dims: number
  readonly seed: number
  /** The share of dimensions that are not 0; default 2/3. */
  readonly density?: number
}

/** Gives each symbol its vector. */
export interface SymbolEncoder {
  readonly dims: number
  encode(symbol: string): PackedTritVec
}

/**
 * Makes an encoder of symbols; it keeps what it has drawn.
 *
 * @example
 * ```ts
 * import { packedTrits, symbolEncoder } from 'tritune/plugins/ternary'
 *
 * const { encode } = symbolEncoder({ dims: 10_000, seed: 1 })
 * console.log(packedTrits.cosine(encode('cat'), encode('cat'))) // → 1
 * console.log(Math.abs(packedTrits.cosine(encode('cat'), encode('dog'))) < 0.04) // → true
 * ```
 */
export function symbolEncoder({ dims, seed, density }: SymbolEncoderOptions): SymbolEncoder {
  expectDims('symbolEncoder', dims)
  const drawn = new Map<string, PackedTritVec>()
  return {
    dims,
    encode(symbol) {
      const vector =
        drawn.get(symbol) ??
        packedTrits.random({
          dims,
          seed,
          stream: `symbol/${symbol}`,
          ...(density === undefined ? {} : { density }),
        })
      drawn.set(symbol, vector)
      return vector
    },
  }
}
