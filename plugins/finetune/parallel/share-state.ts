/**
 * The state of the first process on all others: weights, optimizer, how far the run is. What started alike stays alike, and only
 * one process has to reach the checkpoints.
 */
import type { JsonValue, Tensor, World } from '../../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'

/** Overwrites the tensors of all other processes; all have the same ones in the same order. */
export function shareTensors(world: World, tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) {
    const bytes = new Uint8Array(tensor.bytes)
    if (world.rank === 0) {
      let start = 0
      for (const piece of tensorBytes(tensor)) {
        bytes.set(piece, start)
        start += piece.length
      }
    }
    world.broadcast(bytes)
    if (world.rank !== 0) setTensorBytes(tensor, bytes)
  }
}

/** What the first process gives. */
export function shareJson<T extends JsonValue>(world: World, value: T): T {
  return JSON.parse(world.gather(world.rank === 0 ? JSON.stringify(value) : '')[0])
}
