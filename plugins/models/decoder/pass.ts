/**
 * What one forward pass hands to every block, and what a part of a block is.
 */
import type { Tensor, TokenBatch } from '../../../core/mod.ts'
import type { LayerCache } from '../layer-cache.ts'

export interface Pass {
  readonly batch: TokenBatch
  /** Keys and values that a block sees besides its own; null: none. */
  readonly cache: Pick<LayerCache, 'extend'> | null
  /** q or k of a layer, (T, H, D), turned by the positions of its tokens. */
  turn(layer: number, x: Tensor): Tensor
  /** Where someone asks for it: what the blocks so far say of the balance of their experts. Each block has its own; see moe/router.ts. */
  readonly balance?: Balance | null
}

/** (2, E) f32, see `addBalance`; undefined before the first block that has experts. */
export interface Balance {
  sum: Tensor | undefined
}

/** Attention or MLP of a block: x (T, C), normed as the block has it, → what it adds to the stream, (T, C). */
export type Part = (x: Tensor, pass: Pass) => Tensor
