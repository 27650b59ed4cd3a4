/**
 * Dropout of rotations: in a training step some of the blocks do not turn (multiplicative dropout of OFT, arXiv 2306.07280).
 *
 * As in PEFT, ⌊p·n⌋ of the blocks, no more and no fewer. Which ones depends on seed, step and site only.
 */
import { createRandom, type NoiseStream } from '../../../core/mod.ts'

/** For each block 0 where it stays as it is, 1 elsewhere. */
export function blockMask(
  { seed, step }: NoiseStream,
  { blocks, p, site }: { readonly blocks: number; readonly p: number; readonly site: string },
): Float32Array {
  const order = createRandom(seed, `blocks/${site}/${step}`).shuffle(
    Int32Array.from({ length: blocks }, (_, i) => i),
  )
  const mask = new Float32Array(blocks).fill(1)
  for (const block of order.subarray(0, Math.floor(p * blocks))) mask[block] = 0
  return mask
}
