/**
 * Gradients as whole numbers of 8 or 4 bits and a scale for each block: the largest magnitude is 127, or 7. To the nearest, so no number is
 * further from what arrives than from 0.
 */
import { type Block, blockCompressor, type BlockForm, illegalBlock, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'
import { bitsOf, MAGNITUDE } from './float-bits.ts'

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
  return blockCompressor({ codec, seed: 0, block, ratio: 1, rank: 0 }, bits === 8 ? BYTES : NIBBLES)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/**
 * A quotient and a half more, rounded down, is Math.round of it. It is computed by the inverse, which is quicker and can be wrong by 2⁻⁴⁴. That is too little to
 * matter: a scale has 8 bits and a number 24, so a quotient below 256 is at a half exactly or 2⁻²⁶ away, and the first is put on its side by 2⁻⁴⁰. 256 more, and
 * what is cut off is what rounding down would.
 */
const HALF = 256.5 + 2 ** -40

/** The scale of a block whose largest number is to be `largest`. */
function integerScale(bits: Int32Array, { start, count }: Block, largest: number): number {
  let most = 0
  for (let i = start; i < start + count; i++) {
    const size = bits[i] & MAGNITUDE
    if (size > most) most = size
  }
  ONE_BITS[0] = most
  return scaleOf(ONE[0] / largest)
}

const ONE = new Float32Array(1)
const ONE_BITS = bitsOf(ONE)

const BYTES: BlockForm = {
  isPadded: false,
  bytes: (count) => count,
  encode(gradient, into, block) {
    const { start, count, at } = block
    const scale = integerScale(bitsOf(gradient), block, 127)
    if (scale === 0) return 0
    const x = gradient.subarray(start, start + count)
    const bytes = into.subarray(at, at + count)
    const inverse = 1 / scale
    for (let i = 0; i < count; i++) {
      const value = nearest(x[i] * inverse)
      bytes[i] = value > 127 ? 127 : value < -127 ? -127 : value
    }
    return scale
  },
  decode(from, scale, into, block) {
    const { start, count, at } = block
    const values = new Int8Array(from.buffer, from.byteOffset + at, count)
    const x = into.subarray(start, start + count)
    let seen = 0
    for (let i = 0; i < count; i++) {
      const value = values[i]
      seen |= value + 127
      x[i] = value * scale
    }
    if (seen < 0) throw illegalBlock('int8', block, 'has -128, at most ±127 is sent')
  },
}

/** Two a byte, the first in the low half. */
const NIBBLES: BlockForm = {
  isPadded: false,
  bytes: (count) => (count + 1) >> 1,
  encode(gradient, into, block) {
    const { start, count, at } = block
    const scale = integerScale(bitsOf(gradient), block, 7)
    if (scale === 0) return 0
    const inverse = 1 / scale
    const even = count & ~1
    for (let i = 0; i < even; i += 2)
      into[at + (i >> 1)] =
        nibble(gradient[start + i] * inverse) | (nibble(gradient[start + i + 1] * inverse) << 4)
    if (even < count) into[at + (even >> 1)] = nibble(gradient[start + even] * inverse)
    return scale
  },
  decode(from, scale, into, block) {
    const { start, count, at } = block
    const x = into.subarray(start, start + count)
    const even = count & ~1
    let seen = 0
    for (let i = 0; i < even; i += 2) {
      const byte = from[at + (i >> 1)]
      const low = (byte << 28) >> 28
      const high = (byte << 24) >> 28
      seen |= (low + 7) | (high + 7)
      x[i] = low * scale
      x[i + 1] = high * scale
    }
    if (even < count) {
      const low = (from[at + (even >> 1)] << 28) >> 28
      seen |= low + 7
      x[even] = low * scale
    }
    if (seen < 0) throw illegalBlock('int4', block, 'has -8, at most ±7 is sent')
  },
}

function nibble(quotient: number): number {
  const value = nearest(quotient)
  return (value > 7 ? 7 : value < -7 ? -7 : value) & 15
}

function nearest(quotient: number): number {
  return ((quotient + HALF) | 0) - 256
}
