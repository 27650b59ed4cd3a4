/**
 * A stack of blocks: which of them run again in the backward pass, and when what they hand on is freed.
 */
import { checkpoint, isMemoryLean, scoped, type Tensor } from '../../../core/mod.ts'

/** [h, delta, …] → [h, delta, …]: one block, and what goes from block to block besides. There is only h before the first one. */
export type Block = (index: number, stream: readonly Tensor[]) => readonly Tensor[]

/**
 * With lean memory one block in so many runs again. They are the first ones: when the backward pass comes to them, the
 * others have let go of what they kept, so running them again needs no room of its own.
 */
const LEAN_SHARE = 8

/** How many of `count` blocks run again with lean memory. */
export function rerunBlocks(count: number): number {
  return Math.ceil(count / LEAN_SHARE)
}

/** Runs `count` blocks on `start`, which belongs to the stack from here on; all run again in the backward pass if `checkpointing`. */
export function runBlocks(
  start: Tensor,
  count: number,
  block: Block,
  { checkpointing }: { readonly checkpointing: boolean },
): readonly Tensor[] {
  const again = checkpointing ? count : isMemoryLean() ? rerunBlocks(count) : 0
  let stream: readonly Tensor[] = [start]
  for (let i = 0; i < count; i++) {
    const forward = (...parts: Tensor[]): readonly Tensor[] => block(i, parts)
    const next = i < again ? checkpoint(forward, ...stream) : scoped(() => forward(...stream))
    // The tape has its own hold on what the backward pass needs.
    for (const tensor of stream) if (!next.includes(tensor)) tensor.dispose()
    stream = next
  }
  return stream
}
