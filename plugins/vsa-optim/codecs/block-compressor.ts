/**
 * Compressors that cut a gradient into blocks and send of each a bf16 scale and what its numbers are of that. Codecs differ in the form of a
 * block; this is what they share.
 */
import { expectInteger, expectNumber } from '../../../core/tensor/expect.ts'
import { bf16ToNumber, numberToBf16, TrituneError } from '../../../core/mod.ts'
import { compressorOf, type GradientCompressor } from './compressor.ts'
import type { CodecSettings } from './gradient-message.ts'

/** A block: which, of which round, and where it lies among the numbers and the bytes of a gradient. */
export interface Block {
  readonly index: number
  readonly round: number
  /** Its first number, and how many there are. */
  readonly start: number
  readonly count: number
  /** With the zeros that it is filled up with: `count` where it is not. */
  readonly size: number
  /** Its first byte after the scale. */
  readonly at: number
}

/** How one block is written. */
export interface BlockForm {
  /** The last block is filled up with zeros to a power of two. */
  readonly isPadded: boolean
  /** Bytes of a block of so many numbers, without its scale. */
  bytes(size: number): number
  /** Writes what the numbers are of the scale into bytes that are zeros, and returns the scale, which is one of `scaleOf`. */
  encode(gradient: Float32Array, into: Uint8Array, block: Block): number
  /** Puts the numbers over what is in `into`. */
  decode(from: Uint8Array, scale: number, into: Float32Array, block: Block): void
}

/** What of `value` a message can hold as a scale: bf16, and finite. */
export function scaleOf(value: number): number {
  return Math.min(bf16ToNumber(numberToBf16(value)), LARGEST_BF16)
}

/** Throws E_VALUE for a block or ratio or seed out of its range. */
export function blockCompressor(settings: CodecSettings, form: BlockForm): GradientCompressor {
  expectSettings(settings)
  const { codec, block: most } = settings
  const { isPadded } = form
  const eachBlock = (length: number, round: number, visit: (block: Block) => void): number => {
    let at = 0
    for (let start = 0, index = 0; start < length; start += most, index++) {
      const count = Math.min(most, length - start)
      const size = isPadded && count < most ? 2 ** Math.ceil(Math.log2(count)) : count
      at += SCALE
      visit({ index, round, start, count, size, at })
      at += form.bytes(size)
    }
    return at
  }
  return compressorOf({
    settings,
    bytesOf: (length) => eachBlock(length, 0, () => undefined),
    encode(gradient, into, round) {
      eachBlock(gradient.length, round, (block) => {
        const bits = numberToBf16(form.encode(gradient, into, block))
        into[block.at - 2] = bits & 0xff
        into[block.at - 1] = bits >> 8
      })
    },
    decode(from, into, round) {
      let largest = 0
      eachBlock(into.length, round, (block) => {
        const scale = bf16ToNumber(from[block.at - 2] | (from[block.at - 1] << 8))
        if (!(scale >= 0 && scale <= LARGEST_BF16) || Object.is(scale, -0))
          throw new TrituneError('E_FORMAT', `${codec}: the scale of block ${block.index} is ${scale}`)
        largest = Math.max(largest, scale)
        form.decode(from, scale, into, block)
      })
      return largest < SMALL_SCALE
    },
  })
}

/** Throws E_FORMAT for bits of a block that are never written. */
export function illegalBlock(codec: string, { index }: Block, what: string): TrituneError {
  return new TrituneError('E_FORMAT', `${codec}: block ${index} ${what}`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Bytes of a scale. */
const SCALE = 2
const LARGEST_BF16 = bf16ToNumber(0x7f7f)
const LARGEST_BLOCK = 2 ** 20
/** No number of a block is above its scale times 2¹⁰ (turned ones: the root of its size), so below this scale all are finite. */
const SMALL_SCALE = 2 ** 117

function expectSettings({ codec, block, ratio, seed }: CodecSettings): void {
  if (!(Number.isInteger(Math.log2(block)) && block >= 1 && block <= LARGEST_BLOCK))
    throw new TrituneError(
      'E_VALUE',
      `${codec}: block must be a power of two from 1 to ${LARGEST_BLOCK}, got ${block}`,
    )
  expectNumber(codec, 'ratio', ratio, { min: 0, max: 1, above: true })
  expectInteger(codec, 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
}
