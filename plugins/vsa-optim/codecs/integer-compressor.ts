/**
 * Gradients as whole numbers of 8 or 4 bits and a scale for each block: the largest magnitude is 127, or 7. To the nearest, so no number is
 * further from what arrives than from 0.
 */
import { blockCompressor, type BlockForm, illegalBlock, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'

/** What `integerCompressor` can be told. */
export interface IntegerCompressorOptions {
  /** Default 8. */
  readonly bits?: 8 | 4
  /** Elements that share a scale, a power of two; default 4096, of 4 bits 256: a large number makes all others of its block coarse. */
  readonly block?: number
}

/**
 * Sends all numbers, each as an integer of `bits`. Throws E_VALUE for a block that is no power of two.
 *
 * @example
 * ```ts
 * import { integerCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const compressor = integerCompressor({ bits: 4 })
 * const message = compressor.compress(Float32Array.of(7, -3, 0.4, 0))
 * console.log([...compressor.decompress(message)], message.bytes) // → [ 7, -3, 0, 0 ] 4
 * ```
 */
export function integerCompressor({
  bits = 8,
  block = bits === 8 ? 4096 : 256,
}: IntegerCompressorOptions = {}): GradientCompressor {
  const codec = bits === 8 ? 'int8' : 'int4'
  return blockCompressor(
    { codec, seed: 0, block, ratio: 1, rank: 0 },
    bits === 8 ? integerForm(codec, BYTES) : integerForm(codec, NIBBLES),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Integers {
  readonly largest: number
  bytes(count: number): number
  put(into: Uint8Array, i: number, value: number): void
  take(from: Uint8Array, i: number): number
}

const BYTES: Integers = {
  largest: 127,
  bytes: (count) => count,
  put(into, i, value) {
    into[i] = value
  },
  take: (from, i) => (from[i] << 24) >> 24,
}

/** Two a byte, the first in the low half. */
const NIBBLES: Integers = {
  largest: 7,
  bytes: (count) => Math.ceil(count / 2),
  put(into, i, value) {
    into[i >> 1] |= (value & 15) << (4 * (i & 1))
  },
  take: (from, i) => (((from[i >> 1] >> (4 * (i & 1))) & 15) << 28) >> 28,
}

function integerForm(codec: string, { largest, bytes, put, take }: Integers): BlockForm {
  return {
    isPadded: false,
    bytes,
    encode(x, into) {
      let most = 0
      for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]))
      const scale = scaleOf(most / largest)
      if (scale === 0) return 0
      for (let i = 0; i < x.length; i++)
        put(into, i, Math.max(-largest, Math.min(largest, Math.round(x[i] / scale))))
      return scale
    },
    decode(from, scale, x, place) {
      for (let i = 0; i < x.length; i++) {
        const value = take(from, i)
        if (value < -largest) throw illegalBlock(codec, place, `has ${value}, at most ±${largest} is sent`)
        x[i] = value * scale
      }
    },
  }
}
