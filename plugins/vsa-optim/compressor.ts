/**
 * GradientCompressor: what sends a gradient in fewer bytes. All of them cut it into blocks, see a part of each block as trits and one scale, and
 * differ in the coordinates in which they look at a block.
 */
import { expectInteger, expectNumber } from '../../core/tensor/expect.ts'
import { TrituneError } from '../../core/mod.ts'
import { tritCodecs } from '../ternary/mod.ts'
import { type CodecSettings, expectMessage, type GradientMessage } from './gradient-message.ts'
import { hashedWords } from './hashed-words.ts'

/** Gradients to messages and back. Holds nothing between calls: the same gradient and round give the same message on every machine. */
export interface GradientCompressor extends CodecSettings {
  /** Throws E_SHAPE for no numbers, E_NAN for one that is not finite. Rounds count from 0; which part is sent and how it is rounded may depend on it. */
  compress(gradient: Float32Array, round?: number): GradientMessage
  /** Throws E_VALUE for a message of other settings, E_SHAPE and E_FORMAT for a damaged one. */
  decompress(message: GradientMessage): Float32Array
}

/** What all compressors can be told. */
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

/** A compressor out of its rotation. */
export function blockCompressor(
  { codec, ratio, rotation }: Pick<CodecSettings, 'codec' | 'ratio'> & { readonly rotation: BlockRotation },
  { block = 4096, threshold = 0.7, rounding = 'nearest', seed = 0 }: CompressorOptions,
): GradientCompressor {
  expectSettings(codec, { block, threshold, ratio, seed })
  const settings: CodecSettings = { codec, seed, block, ratio }
  return {
    ...settings,
    compress(gradient, round = 0) {
      expectInteger(codec, 'round', round)
      expectFinite(gradient)
      const blocks = blocksOf(gradient.length, settings)
      const scales = new Float32Array(blocks.length)
      const trits = new Int8Array(tritsOf(blocks))
      for (const [index, { start, size, sent, at }] of blocks.entries()) {
        const x = new Float64Array(size)
        x.set(gradient.subarray(start, start + size))
        rotation.forward(x, index)
        const seen = sentPart(x, windowStart(settings, index, round, { size, sent }), sent)
        const into = trits.subarray(at, at + sent)
        if (rounding === 'nearest') scales[index] = roundNearest(into, seen, threshold)
        else
          scales[index] =
            (size / sent) *
            drawUnbiased(into, seen, hashedWords({ seed, purpose: 'rounding', round, block: index }, sent))
      }
      const packed = tritCodecs.base3.encode(trits, { rows: 1, cols: trits.length })
      return {
        ...settings,
        length: gradient.length,
        round,
        trits: packed,
        scales,
        bytes: packed.length + scales.byteLength,
      }
    },
    decompress(message) {
      expectInteger(codec, 'length', message.length, { min: 1 })
      const blocks = blocksOf(message.length, settings)
      expectMessage(message, settings, { trits: tritsOf(blocks), blocks: blocks.length })
      const { trits } = tritCodecs.base3.decode(message.trits, { rows: 1, cols: tritsOf(blocks) })
      const gradient = new Float32Array(message.length)
      for (const [index, { start, size, sent, at }] of blocks.entries()) {
        const x = new Float64Array(size)
        const first = windowStart(settings, index, message.round, { size, sent })
        for (let i = 0; i < sent; i++) x[(first + i) % size] = trits[at + i] * message.scales[index]
        rotation.back(x, index)
        gradient.set(x.subarray(0, Math.min(size, gradient.length - start)), start)
      }
      return gradient
    },
  }
}

// ---- blocks -----------------------------------------------------------------------------------------------------

interface Block {
  readonly start: number
  /** A power of two; the last block may reach behind the gradient, where it is 0. */
  readonly size: number
  /** Trits of it in a message, and where they begin. */
  readonly sent: number
  readonly at: number
}

function blocksOf(length: number, { block, ratio }: CodecSettings): Block[] {
  const blocks: Block[] = []
  let at = 0
  for (let start = 0; start < length; start += block) {
    const size = Math.min(block, 2 ** Math.ceil(Math.log2(length - start)))
    const sent = Math.ceil(size * ratio)
    blocks.push({ start, size, sent, at })
    at += sent
  }
  return blocks
}

function tritsOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { sent }) => sum + sent, 0)
}

/** Moves on by what was sent, so that 1/ratio rounds send all of it. Where it begins is of the seed. */
function windowStart(
  { seed }: CodecSettings,
  block: number,
  round: number,
  { size, sent }: Pick<Block, 'size' | 'sent'>,
): number {
  if (sent === size) return 0
  const [first] = hashedWords({ seed, purpose: 'window', round: 0, block }, 1)
  return (first + round * sent) % size
}

function sentPart(x: Float64Array, first: number, sent: number): Float64Array {
  return Float64Array.from({ length: sent }, (_, i) => x[(first + i) % x.length])
}

// ---- rounding ---------------------------------------------------------------------------------------------------

/** sign(v) where |v| > threshold · mean |v|; returns the mean magnitude of those, which is ⟨v, t⟩ / ‖t‖². */
function roundNearest(into: Int8Array, seen: Float64Array, threshold: number): number {
  const least = (threshold * seen.reduce((sum, v) => sum + Math.abs(v), 0)) / seen.length
  let kept = 0
  let count = 0
  for (const [i, v] of seen.entries()) {
    if (!(Math.abs(v) > least)) continue
    into[i] = Math.sign(v)
    kept += Math.abs(v)
    count++
  }
  return count === 0 ? 0 : kept / count
}

/** sign(v) with probability |v| / max |v| (TernGrad, Wen et al. 2017, arXiv 1705.07878); returns the maximum. */
function drawUnbiased(into: Int8Array, seen: Float64Array, words: Uint32Array): number {
  const largest = seen.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  for (const [i, v] of seen.entries()) into[i] = words[i] * largest < Math.abs(v) * 2 ** 32 ? Math.sign(v) : 0
  return largest
}

// ---- checks -----------------------------------------------------------------------------------------------------

const LARGEST_BLOCK = 2 ** 20

function expectSettings(
  codec: string,
  {
    block,
    threshold,
    ratio,
    seed,
  }: { readonly block: number; readonly threshold: number; readonly ratio: number; readonly seed: number },
): void {
  if (!(Number.isInteger(Math.log2(block)) && block >= 1 && block <= LARGEST_BLOCK))
    throw new TrituneError(
      'E_VALUE',
      `${codec}: block must be a power of two from 1 to ${LARGEST_BLOCK}, got ${block}`,
    )
  expectNumber(codec, 'threshold', threshold, { min: 0, max: 1, below: true })
  expectNumber(codec, 'ratio', ratio, { min: 0, max: 1 })
  if (ratio === 0)
    throw new TrituneError('E_VALUE', `${codec}: ratio must be above 0, a message holds something`)
  expectInteger(codec, 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
}

function expectFinite(gradient: Float32Array): void {
  if (!(gradient instanceof Float32Array) || gradient.length === 0)
    throw new TrituneError('E_SHAPE', 'a gradient is a Float32Array with at least one number')
  const bad = gradient.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new TrituneError('E_NAN', `number ${bad} of the gradient is ${gradient[bad]}`)
}
