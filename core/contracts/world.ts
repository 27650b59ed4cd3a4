/**
 * World: the processes that train together, as one of them sees it. Every process makes the same calls in the same order.
 *
 * The calls wait for the others, so they belong between and after computations, not into them. Who provides one: plugins/distributed
 * over MPI; a test can make one of memory.
 */
import type { ArrayView, Device } from './device.ts'

/** Collectives on arrays in the memory of a GPU, without a copy on the host. f32, f64 and bf16 can be added up. */
export interface DeviceCollectives {
  /** What makes them, for people. */
  readonly description: string
  /** Adds up over all processes, in place: the same bits on all of them, in an order of additions that is not known. */
  sum(values: ArrayView): void
  /** Each process gets its part of the sum: `values` has `size` parts, `part` is one. */
  sumPart(values: ArrayView, part: ArrayView): void
  /** What each process gives, all of one length, one after the other in the order of the ranks. */
  collect(own: ArrayView, all: ArrayView): void
  /** The array of one process on all of them, in place. */
  broadcast(values: ArrayView, from?: number): void
}

/** A call that was made and is waited for later. */
export interface PendingCall {
  /** Throws E_PEER as the call would. */
  wait(): void
}

/** The processes of a job, as one of them sees it; each call is made by all of them, in the same order. */
export interface World extends Disposable {
  /** Which of the processes this is, from 0. */
  readonly rank: number
  readonly size: number
  /** Among the processes of this machine. */
  readonly localRank: number
  readonly localSize: number
  /** How long a call waits for the other processes, in milliseconds. */
  patience: number
  /** What connects them, for people. */
  readonly description: string
  /** Adds up over all processes, in place: the same bits on all of them. */
  sum(values: Float32Array): void
  /** Each process gets its part of the sum: `values` has `size` parts, `part` is one, and may be the part of this process in `values`. */
  sumPart(values: Float32Array, part: Float32Array): void
  /** What each process gives, all of one length, one after the other in the order of the ranks. */
  collect(own: Uint8Array, all: Uint8Array): void
  /**
   * `collect()` that goes on while this process computes, where the world can: both arrays are left alone until `wait()` returns. Calls come to their turn in the order in which
   * they were made, this one too.
   */
  startCollect?(own: Uint8Array, all: Uint8Array): PendingCall
  /** A row for each process, in the order of the ranks, and all rows of one length; `received` has the row that each had for this one. */
  exchange(rows: Uint8Array, received: Uint8Array): void
  /** A text of each process, in the order of the ranks; they may differ in length. */
  gather(text: string): string[]
  /** The bytes of one process on all of them, in place. */
  broadcast(bytes: Uint8Array, from?: number): void
  /** Collectives on the memory of this device; null where what is there goes through the host. All processes ask, for theirs. */
  onDevice(device: Device): DeviceCollectives | null
  /** Ends all processes, this one too, with an exit code. */
  abort(code: number): void
  /** Goes without the others, who are not there any more: no call comes after it, and nobody is ended or waited for. */
  forsake(): void
}
