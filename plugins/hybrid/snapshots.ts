/**
 * The weights of the last steps, every second one, newest first: a ring in one tensor, which checkpoints keep.
 */
import { referenceDevice, type Tensor, zeros } from '../../core/mod.ts'
import { numbersIn } from './flat-weights.ts'

/** How many are kept, and the steps between two of them. */
export const KEPT = 10
export const SPACING = 2

/** A ring of rows. */
export interface Snapshots extends Disposable {
  readonly tensor: Tensor
  /** How many are there. */
  readonly count: number
  /** How many were ever taken; what a checkpoint keeps beside the tensor. */
  taken: number
  /** The row to fill with the newest weights; the oldest ones are lost. */
  next(): Float32Array
  /** 0: the newest. */
  row(age: number): Float32Array
}

export function createSnapshots(size: number): Snapshots {
  const tensor = zeros([KEPT, size], { device: referenceDevice })
  let taken = 0
  const rowAt = (index: number): Float32Array =>
    numbersIn(tensor).subarray((index % KEPT) * size, ((index % KEPT) + 1) * size)
  return {
    tensor,
    get count() {
      return Math.min(taken, KEPT)
    },
    get taken() {
      return taken
    },
    set taken(value) {
      taken = value
    },
    next: () => rowAt(taken++),
    row: (age) => rowAt(taken - 1 - age),
    [Symbol.dispose]: () => tensor.dispose(),
  }
}
