/**
 * The form of a block as trits and one scale: of all its numbers or of a part, as they lie or turned into other coordinates.
 */
import { expectNumber } from '../../../core/tensor/expect.ts'
import { tritCodecs } from '../../ternary/mod.ts'
import { blockCompressor, type BlockPlace, scaleOf } from './block-compressor.ts'
import type { GradientCompressor } from './compressor.ts'
import type { CodecSettings } from './gradient-message.ts'
import { hashedWords } from './hashed-words.ts'

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

/** The coordinates in which a block is looked at. Both change it in place, and the second undoes the first. */
export interface BlockRotation {
  forward(x: Float64Array, block: number): void
  back(x: Float64Array, block: number): void
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
    encode(x, into, place) {
      const { length: size } = x
      const sent = sentOf(size)
      rotation?.forward(x, place.index)
      const seen = sentPart(x, windowStart(seed, place, { size, sent }), sent)
      const trits = new Int8Array(sent)
      const scale =
        rounding === 'nearest'
          ? roundNearest(trits, seen, threshold)
          : (size / sent) *
            drawUnbiased(
              trits,
              seen,
              hashedWords({ seed, purpose: 'rounding', round: place.round, block: place.index }, sent),
            )
      into.set(tritCodecs.base3.encode(trits, { rows: 1, cols: sent }))
      return scaleOf(scale)
    },
    decode(from, scale, x, place) {
      const { length: size } = x
      const sent = sentOf(size)
      const { trits } = tritCodecs.base3.decode(from, { rows: 1, cols: sent })
      const first = windowStart(seed, place, { size, sent })
      for (let i = 0; i < sent; i++) x[(first + i) % size] = trits[i] * scale
      rotation?.back(x, place.index)
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Moves on by what was sent, so that 1/ratio rounds send all of it. Where it begins is of the seed. */
function windowStart(
  seed: number,
  { index, round }: BlockPlace,
  { size, sent }: { readonly size: number; readonly sent: number },
): number {
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

/** sign(v) where |v| > threshold · mean |v|; returns the mean magnitude of those, which is ⟨v, t⟩ / ‖t‖². */
function roundNearest(into: Int8Array, seen: Float64Array, threshold: number): number {
  let all = 0
  for (let i = 0; i < seen.length; i++) all += Math.abs(seen[i])
  const least = (threshold * all) / seen.length
  let kept = 0
  let count = 0
  for (let i = 0; i < seen.length; i++) {
    // Without branches: of numbers that are noise none would be foreseen.
    const trit = Number(seen[i] > least) - Number(seen[i] < -least)
    into[i] = trit
    kept += trit * seen[i]
    count += trit * trit
  }
  return count === 0 ? 0 : kept / count
}

/** sign(v) with probability |v| / max |v| (TernGrad, Wen et al. 2017, arXiv 1705.07878); returns the maximum. */
function drawUnbiased(into: Int8Array, seen: Float64Array, words: Uint32Array): number {
  let largest = 0
  for (let i = 0; i < seen.length; i++) largest = Math.max(largest, Math.abs(seen[i]))
  for (let i = 0; i < seen.length; i++)
    into[i] = words[i] * largest < Math.abs(seen[i]) * 2 ** 32 ? Math.sign(seen[i]) : 0
  return largest
}
