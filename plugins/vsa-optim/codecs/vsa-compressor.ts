/**
 * Gradients as hypervectors of trits: the signs of a block are flipped by a hash, a Hadamard transform spreads each number over all coordinates, and
 * a part of those is sent as trits. O(n log n), no matrix is stored; the projection is its own transpose.
 *
 * Spread so, a few large numbers no longer decide what is rounded to 0, and any part of the coordinates says as much as another. One message is one
 * gradient; bundling several into one vector, as vsa-optim-rs does, mixes them up.
 */
import type { GradientCompressor } from './compressor.ts'
import type { Block } from './block-compressor.ts'
import { hadamard } from './hadamard.ts'
import { hashedWords } from './hashed-words.ts'
import { type BlockRotation, type CompressorOptions, tritCompressor } from './trit-form.ts'

/** Options of `vsaCompressor()`. */
export interface VsaCompressorOptions extends CompressorOptions {
  /** The part of the coordinates that a message holds, above 0 and at most 1; default 1. Rounds take turns, so 1/ratio of them send all. */
  readonly ratio?: number
}

/**
 * Errors: E_VALUE for an option out of its range; those of `GradientCompressor`.
 *
 * @example
 * ```ts
 * import { createRandom } from 'tritune/core'
 * import { keptShare, vsaCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const random = createRandom(1)
 * const gradient = Float32Array.from({ length: 8192 }, () => random.normal() ** 3) // a few are large
 * const compressor = vsaCompressor({ seed: 7 })
 * const message = compressor.compress(gradient)
 * console.log((4 * gradient.length) / message.bytes > 19) // → true
 * console.log(keptShare(gradient, compressor.decompress(message)) > 0.75) // → true
 * ```
 */
export function vsaCompressor({ ratio = 1, ...options }: VsaCompressorOptions = {}): GradientCompressor {
  const { seed = 0 } = options
  const signs = blockSigns(seed)
  const rotation: BlockRotation = {
    forward(gradient, x, block) {
      const { start, count } = block
      turn(x, gradient.subarray(start, start + count), signs(block))
      hadamard(x)
    },
    back(x, into, block) {
      const { start, count } = block
      hadamard(x)
      turnBack(into.subarray(start, start + count), x, signs(block))
    },
  }
  return tritCompressor({ codec: 'vsa', ratio, rotation }, options)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What the numbers of a block are multiplied by: 1, and −1 where the bit of a word is set. The same in all rounds; those of the last blocks are kept. */
function blockSigns(seed: number): (block: Pick<Block, 'index' | 'size'>) => Int8Array {
  const known = new Map<number, Int8Array>()
  return ({ index, size }) => {
    const found = known.get(index)
    if (found?.length === size) return found
    const words = hashedWords({ seed, purpose: 'signs', round: 0, block: index }, Math.ceil(size / 32))
    const signs = new Int8Array(size)
    for (let i = 0; i < size; i++) signs[i] = 1 - 2 * ((words[i >> 5] >>> (i & 31)) & 1)
    if (known.size >= KEPT_BLOCKS) known.clear()
    known.set(index, signs)
    return signs
  }
}

/** Zeros behind the numbers. */
function turn(x: Float64Array, numbers: Float32Array, signs: Int8Array): void {
  for (let i = 0; i < numbers.length; i++) x[i] = signs[i] * numbers[i]
  for (let i = numbers.length; i < x.length; i++) x[i] = signs[i] < 0 ? -0 : 0
}

function turnBack(numbers: Float32Array, x: Float64Array, signs: Int8Array): void {
  for (let i = 0; i < numbers.length; i++) numbers[i] = signs[i] * x[i]
}

/** A byte a number: not of tensors of any size. */
const KEPT_BLOCKS = 64
