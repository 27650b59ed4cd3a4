/**
 * The largest numbers of each block as their places and signs, and one scale (Seide et al. 2014; Aji & Heafield 2017, arXiv 1704.05021): log₂ block
 * + 1 bits for each number that is sent.
 */
import { blockCompressor, illegalBlock, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'

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
      encode(x, into) {
        const places = largestPlaces(x, sentOf(x.length))
        const width = placeBits(x.length) + 1
        let sum = 0
        for (const [n, place] of places.entries()) {
          sum += Math.abs(x[place])
          putBits(into, n * width, width, place * 2 + Number(x[place] < 0))
        }
        return scaleOf(sum / places.length)
      },
      decode(from, scale, x, place) {
        const width = placeBits(x.length) + 1
        let last = -1
        for (let n = 0; n < sentOf(x.length); n++) {
          const bits = takeBits(from, n * width, width)
          const at = bits >> 1
          if (at <= last || at >= x.length)
            throw illegalBlock(codec, place, `names number ${at} after ${last}, of ${x.length}`)
          x[at] = (bits & 1) === 1 ? -scale : scale
          last = at
        }
      },
    },
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function placeBits(size: number): number {
  return Math.ceil(Math.log2(size))
}

/** Of equal numbers the first ones; in ascending order. */
function largestPlaces(x: Float64Array, count: number): Uint32Array {
  const sizes = x.map(Math.abs)
  const least = sizes.toSorted()[x.length - count]
  const places = new Uint32Array(count)
  let ties = count
  for (let i = 0; i < sizes.length; i++) if (sizes[i] > least) ties--
  let at = 0
  for (let i = 0; i < sizes.length; i++)
    if (sizes[i] > least || (sizes[i] === least && ties-- > 0)) places[at++] = i
  return places
}

/** The lowest bit first. */
function putBits(into: Uint8Array, at: number, width: number, value: number): void {
  for (let bit = 0; bit < width; bit++) if ((value >> bit) & 1) into[(at + bit) >> 3] |= 1 << ((at + bit) & 7)
}

function takeBits(from: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let bit = 0; bit < width; bit++) value |= ((from[(at + bit) >> 3] >> ((at + bit) & 7)) & 1) << bit
  return value
}
