/**
 * The form of a block as trits and one scale: of all its numbers or of a part, as they lie or turned into other coordinates.
 */
import { expectNumber } from '../../../core/tensor/expect.ts'
import { tritCodecs } from '../../ternary/mod.ts'
import { type Block, blockCompressor, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'
import type { CodecSettings } from './gradient-message.ts'
import { hashedWords } from './hashed-words.ts'
import { scratchFloats, scratchNumbers } from './scratch.ts'
import { packNearest, packTrits, readTrits } from './trit-bytes.ts'

/** What `ternaryCompressor` and `vsaCompressor` can be told. */
export interface CompressorOptions {
  /** Elements that share a scale, a power of two; default 4096. */
  readonly block?: number
  /** Numbers below this many times the mean magnitude of their block are 0; default 0.7. */
  readonly threshold?: number
  /**
   * `nearest`: the least-squares scale for these trits, so what comes out is the nearest that such a message can say; on average it is too
   * small, which error feedback repairs. `unbiased`: trits are drawn, and the mean over the rounds is the gradient itself.
   */
  readonly rounding?: 'nearest' | 'unbiased'
  /** Integer from 0 to 2⁵³ − 1; default 0. */
  readonly seed?: number
}

/** The coordinates in which a block is looked at. The second undoes the first. */
export interface BlockRotation {
  /** The block's numbers, and the zeros behind them, to coordinates in x. */
  forward(gradient: Float32Array, x: Float64Array, block: Block): void
  /** Coordinates in x, which may be changed, to the block's numbers. */
  back(x: Float64Array, into: Float32Array, block: Block): void
}

/** A compressor to trits, out of its rotation; without one the numbers are taken as they lie. */
export function tritCompressor(
  {
    codec,
    ratio,
    rotation,
  }: Pick<CodecSettings, 'codec' | 'ratio'> & { readonly rotation: BlockRotation | null },
  { block = 4096, threshold = 0.7, rounding = 'nearest', seed = 0 }: CompressorOptions,
): GradientCompressor {
  expectNumber(codec, 'threshold', threshold, { min: 0, max: 1, below: true })
  const settings: CodecSettings = { codec, seed, block, ratio, rank: 0 }
  const sentOf = (size: number): number => Math.ceil(size * ratio)
  return blockCompressor(settings, {
    isPadded: rotation !== null,
    bytes: (size) => tritCodecs.base3.bytes({ rows: 1, cols: sentOf(size) }),
    encode(gradient, into, block) {
      const { size, at } = block
      const x = scratchNumbers(size)
      if (rotation === null) x.set(gradient.subarray(block.start, block.start + block.count))
      else rotation.forward(gradient, x, block)
      const sent = sentOf(size)
      const seen = sentPart(x, windowStart(seed, block, sent), sent)
      if (rounding === 'nearest') return scaleOf(packNearest(seen, leastOf(seen, threshold), into, at))
      const words = hashedWords({ seed, purpose: 'rounding', round: block.round, block: block.index }, sent)
      const trits = new Int8Array(sent)
      const largest = drawUnbiased(trits, seen, words)
      packTrits(trits, into, at)
      return scaleOf((size / sent) * largest)
    },
    decode(from, scale, into, block) {
      const { size, start, count, at } = block
      const sent = sentOf(size)
      if (rotation === null && sent === count) {
        readTrits(from, at, scale, into, { start, count })
        return
      }
      const x = scratchNumbers(size)
      const part = scratchFloats(sent)
      readTrits(from, at, scale, part, { start: 0, count: sent })
      if (sent === size) x.set(part)
      else {
        const first = windowStart(seed, block, sent)
        x.fill(0)
        for (let i = 0; i < sent; i++) x[(first + i) % size] = part[i]
      }
      if (rotation === null) into.set(x.subarray(0, count), start)
      else rotation.back(x, into, block)
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Moves on by what was sent, so that 1/ratio rounds send all of it. Where it begins is of the seed. */
function windowStart(seed: number, { index, round, size }: Block, sent: number): number {
  if (sent === size) return 0
  const [first] = hashedWords({ seed, purpose: 'window', round: 0, block: index }, 1)
  return (first + round * sent) % size
}

function sentPart(x: Float64Array, first: number, sent: number): Float64Array {
  if (sent === x.length) return x
  const part = new Float64Array(sent)
  for (let i = 0; i < sent; i++) part[i] = x[(first + i) % x.length]
  return part
}

/** threshold · mean |v| */
function leastOf(seen: Float64Array, threshold: number): number {
  let all = 0
  for (let i = 0; i < seen.length; i++) all += Math.abs(seen[i])
  return (threshold * all) / seen.length
}

/** sign(v) with probability |v| / max |v| (TernGrad, Wen et al. 2017, arXiv 1705.07878); returns the maximum. */
function drawUnbiased(into: Int8Array, seen: Float64Array, words: Uint32Array): number {
  let largest = 0
  for (let i = 0; i < seen.length; i++) largest = Math.max(largest, Math.abs(seen[i]))
  for (let i = 0; i < seen.length; i++)
    into[i] = words[i] * largest < Math.abs(seen[i]) * 2 ** 32 ? Math.sign(seen[i]) : 0
  return largest
}
