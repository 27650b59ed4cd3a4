/**
 * The largest numbers of each block as their places and signs, and one scale (Seide et al. 2014; Aji & Heafield 2017, arXiv 1704.05021): log₂ block
 * + 1 bits for each number that is sent.
 */
import { blockCompressor, illegalBlock, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'
import { bitsOf, MAGNITUDE } from './float-bits.ts'

/** What `topkSignCompressor` can be told. */
export interface TopkSignCompressorOptions {
  /** The part of the numbers that is sent, above 0 and at most 1; default 0.025, which is 97 times fewer bytes. */
  readonly ratio?: number
  /** Elements that share a scale and of which the largest are sent, a power of two; default 4096. */
  readonly block?: number
}

/**
 * Sends ⌈ratio · size⌉ numbers of each block, those of the largest magnitude, with their mean magnitude. Throws E_VALUE for an option out of its range.
 *
 * @example
 * ```ts
 * import { topkSignCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const compressor = topkSignCompressor({ ratio: 0.5 })
 * const message = compressor.compress(Float32Array.of(3, -5, 0.1, 0))
 * console.log([...compressor.decompress(message)], message.bytes) // → [ 4, -4, 0, 0 ] 3
 * ```
 */
export function topkSignCompressor({
  ratio = 0.025,
  block = 4096,
}: TopkSignCompressorOptions = {}): GradientCompressor {
  const codec = 'topk-sign'
  const sentOf = (size: number): number => Math.ceil(size * ratio)
  return blockCompressor(
    { codec, seed: 0, block, ratio, rank: 0 },
    {
      isPadded: false,
      bytes: (size) => Math.ceil((sentOf(size) * (placeBits(size) + 1)) / 8),
      encode(gradient, into, { start, count, at }) {
        const places = largestPlaces(bitsOf(gradient).subarray(start, start + count), sentOf(count))
        let sum = 0
        for (const place of places) sum += Math.abs(gradient[start + place])
        const width = placeBits(count) + 1
        let bits = 0
        let waiting = 0
        let byte = at
        for (const place of places) {
          bits |= (place * 2 + Number(gradient[start + place] < 0)) << waiting
          for (waiting += width; waiting >= 8; waiting -= 8) {
            into[byte++] = bits
            bits >>>= 8
          }
        }
        if (waiting > 0) into[byte] = bits
        return scaleOf(sum / places.length)
      },
      decode(from, scale, into, block) {
        const { start, count, at } = block
        into.fill(0, start, start + count)
        const width = placeBits(count) + 1
        const mask = 2 ** width - 1
        const sent = sentOf(count)
        let bits = 0
        let known = 0
        let byte = at
        let last = -1
        for (let n = 0; n < sent; n++) {
          for (; known < width; known += 8) bits |= from[byte++] << known
          const place = (bits & mask) >> 1
          if (place <= last || place >= count)
            throw illegalBlock(codec, block, `names number ${place} after ${last}, of ${count}`)
          into[start + place] = (bits & 1) === 1 ? -scale : scale
          last = place
          bits >>>= width
          known -= width
        }
      },
    },
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function placeBits(size: number): number {
  return Math.ceil(Math.log2(size))
}

/** Of equal magnitudes the first ones; in ascending order. `bits` are those of f32 numbers. */
function largestPlaces(bits: Int32Array, count: number): Uint32Array {
  const { least, ties } = leastOf(bits, count)
  const places = new Uint32Array(count)
  let left = ties
  let at = 0
  for (let i = 0; i < bits.length; i++) {
    const size = bits[i] & MAGNITUDE
    if (size < least || (size === least && left-- <= 0)) continue
    places[at++] = i
  }
  return places
}

/** The smallest of the `count` largest magnitudes, and how many of those are equal to it. */
function leastOf(bits: Int32Array, count: number): { readonly least: number; readonly ties: number } {
  const { within, wanted } =
    bits.length < BINS ? { within: bits.map((one) => one & MAGNITUDE), wanted: count } : binOf(bits, count)
  const sorted = within.toSorted()
  const from = sorted.length - wanted
  let ties = 0
  while (from + ties < sorted.length && sorted[from + ties] === sorted[from]) ties++
  return { least: sorted[from], ties }
}

/** The bin in which the smallest of the `count` largest magnitudes is, so that few are to be sorted, and how many of the bin are among those. */
function binOf(bits: Int32Array, count: number): { readonly within: Int32Array; readonly wanted: number } {
  const bins = new Uint32Array(BINS)
  for (let i = 0; i < bits.length; i++) bins[(bits[i] & MAGNITUDE) >>> BIN_SHIFT]++
  let bin = BINS - 1
  let above = 0
  while (above + bins[bin] < count) above += bins[bin--]
  const within = new Int32Array(bins[bin])
  let found = 0
  for (let i = 0; i < bits.length; i++) {
    const size = bits[i] & MAGNITUDE
    if (size >>> BIN_SHIFT === bin) within[found++] = size
  }
  return { within, wanted: count - above }
}

/** By exponent and three bits of the rest. */
const BIN_SHIFT = 20
const BINS = 2 ** (31 - BIN_SHIFT)
