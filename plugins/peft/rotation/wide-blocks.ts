/**
 * Small blocks side by side as one larger block: products of a few numbers cost more to start than to compute.
 */
import { mul, reshape, type Tensor } from '../../../core/mod.ts'
import { identity } from './constants.ts'

/** Numbers that one product takes at least, where the sizes let it. */
export const USUAL_WIDTH = 32

/** How many neighbouring blocks make one: a divisor of `blocks`. */
export function blocksInOne(blocks: number, size: number): number {
  for (let many = Math.floor(USUAL_WIDTH / size); many > 1; many--) if (blocks % many === 0) return many
  return 1
}

/** (n, b, b) → (n/many, many·b, many·b) with the blocks on the diagonal; of one shared block (1, many·b, many·b). */
export function joinBlocks(blocks: Tensor, many: number): Tensor {
  if (many === 1) return blocks
  const [count, size] = blocks.shape
  const [joined, repeated] = count === 1 ? [1, 1] : [count / many, many]
  const mask = identity(many, blocks.device).view([1, many, 1, many, 1])
  const apart = mul(reshape(blocks, [joined, repeated, size, 1, size]), mask)
  return reshape(apart, [joined, many * size, many * size])
}
