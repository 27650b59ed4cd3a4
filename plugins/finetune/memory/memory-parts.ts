/**
 * What a run takes of memory, by what it is for.
 */

/** Bytes of the process, or on the device where that has memory of its own, by what they are for. */
export interface MemoryParts {
  /** The runtime, its heap, and the scratch of the kernels; 0 where the device has memory of its own. */
  readonly program: number
  /** The base model. */
  readonly model: number
  /** Weights of the adapter; 0 when the model itself is trained. */
  readonly adapter: number
  /** f32 gradients of what is trained. */
  readonly gradients: number
  /** Moments, and master copies of bf16 weights. */
  readonly optimizer: number
  /** Copies of what is trained that strategies keep on the host, `diloco` among them; 0 where the device has memory of its own. */
  readonly strategies: number
  /** Of one micro-batch. */
  readonly activations: number
}

/** What a run would take. */
export interface Rehearsal {
  readonly parts: MemoryParts
  /** Bytes of all of them. */
  readonly memory: number
  /** Tokens of the largest micro-batch. */
  readonly tokens: number
}
