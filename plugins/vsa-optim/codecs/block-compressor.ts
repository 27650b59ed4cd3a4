/**
 * Compressors that cut a gradient into blocks and send of each a bf16 scale and what its numbers are of that. Codecs differ in the form of a
 * block; this is what they share.
 */
import { expectInteger, expectNumber } from '../../../core/tensor/expect.ts'
import { bf16ToNumber, numberToBf16, TrituneError } from '../../../core/mod.ts'
import { compressorOf, type GradientCompressor } from './compressor.ts'
import type { CodecSettings } from './gradient-message.ts'

/** Which block of a gradient, and which round. */
export interface BlockPlace {
  readonly index: number
  readonly round: number
}

/** How one block is written. */
export interface BlockForm {
  /** The last block is filled up with zeros to a power of two. */
  readonly isPadded: boolean
  /** Bytes of a block of so many numbers, without its scale. */
  bytes(size: number): number
  /** Writes what the numbers are of the scale, and returns the scale, which is one of `scaleOf`. x may be changed. */
  encode(x: Float64Array, into: Uint8Array, place: BlockPlace): number
  /** Puts the numbers into x, which is zeros. */
  decode(from: Uint8Array, scale: number, x: Float64Array, place: BlockPlace): void
}

/** What of `value` a message can hold as a scale: bf16, and finite. */
export function scaleOf(value: number): number {
  return Math.min(bf16ToNumber(numberToBf16(value)), LARGEST_BF16)
}

/** Throws E_VALUE for a block or ratio or seed out of its range. */
export function blockCompressor(settings: CodecSettings, form: BlockForm): GradientCompressor {
  expectSettings(settings)
  return compressorOf({
    settings,
    bytesOf: (length) =>
      blocksOf(length, settings.block, form).reduce((sum, { size }) => sum + SCALE + form.bytes(size), 0),
    encode(gradient, into, round) {
      let at = 0
      for (const [index, { start, size }] of blocksOf(gradient.length, settings.block, form).entries()) {
        const x = new Float64Array(size)
        x.set(gradient.subarray(start, start + size))
        const end = at + SCALE + form.bytes(size)
        const bits = numberToBf16(form.encode(x, into.subarray(at + SCALE, end), { index, round }))
        into[at] = bits & 0xff
        into[at + 1] = bits >> 8
        at = end
      }
    },
    decode(from, into, round) {
      let at = 0
      for (const [index, { start, size }] of blocksOf(into.length, settings.block, form).entries()) {
        const scale = bf16ToNumber(from[at] | (from[at + 1] << 8))
        if (!(scale >= 0 && scale <= LARGEST_BF16) || Object.is(scale, -0))
          throw new TrituneError('E_FORMAT', `${settings.codec}: the scale of block ${index} is ${scale}`)
        const x = new Float64Array(size)
        const end = at + SCALE + form.bytes(size)
        form.decode(from.subarray(at + SCALE, end), scale, x, { index, round })
        into.set(x.subarray(0, Math.min(size, into.length - start)), start)
        at = end
      }
    },
  })
}

/** Throws E_FORMAT for bits of a block that are never written. */
export function illegalBlock(codec: string, { index }: BlockPlace, what: string): TrituneError {
  return new TrituneError('E_FORMAT', `${codec}: block ${index} ${what}`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Bytes of a scale. */
const SCALE = 2
const LARGEST_BF16 = bf16ToNumber(0x7f7f)
const LARGEST_BLOCK = 2 ** 20

interface Block {
  readonly start: number
  readonly size: number
}

function blocksOf(length: number, block: number, { isPadded }: BlockForm): Block[] {
  const blocks: Block[] = []
  for (let start = 0; start < length; start += block) {
    const left = length - start
    blocks.push({ start, size: Math.min(block, isPadded ? 2 ** Math.ceil(Math.log2(left)) : left) })
  }
  return blocks
}

function expectSettings({ codec, block, ratio, seed }: CodecSettings): void {
  if (!(Number.isInteger(Math.log2(block)) && block >= 1 && block <= LARGEST_BLOCK))
    throw new TrituneError(
      'E_VALUE',
      `${codec}: block must be a power of two from 1 to ${LARGEST_BLOCK}, got ${block}`,
    )
  expectNumber(codec, 'ratio', ratio, { min: 0, max: 1, above: true })
  expectInteger(codec, 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
}
