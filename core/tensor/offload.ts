/**
 * Where the inputs of checkpointed functions wait for the backward pass: on their device, or in a store that somebody gives. What a store is made
 * of, a file or other memory, is not known here; it gives back the same bytes.
 */
import type { Tensor } from './tensor.ts'

/** Keeps tensors outside of their device for a while. */
export interface ActivationStore {
  /** Copies a tensor, which may be disposed then. Throws E_DISK, E_MEMORY where there is no room. */
  put(tensor: Tensor): StoredActivation
}

/** A tensor in a store. */
export interface StoredActivation {
  /** A new tensor with its bytes, on its device, in the open scope. */
  take(): Tensor
  /** It is not wanted any more; called once. */
  release(): void
}

let target: ActivationStore | null = null

/** The store of the innermost `withOffload()`; null where there is none. */
export function currentOffload(): ActivationStore | null {
  return target
}

/**
 * Runs `fn`; what `checkpoint()` keeps meanwhile waits in `store`, or on its device with null. Returns what it returns.
 *
 * @example
 * ```ts
 * import { type ActivationStore, checkpoint, exp, mul, parameter, sum, tensor, tensorScope, withOffload } from 'tritune/core'
 *
 * const store: ActivationStore = {
 *   put(x) {
 *     const values = x.toArray()
 *     return { take: () => tensor(values, { shape: x.shape, dtype: x.dtype, device: x.device }), release() {} }
 *   },
 * }
 * using _scope = tensorScope()
 * const w = parameter(tensor([0, 1]))
 * // mul(w, 2) waits in the store until backward(loss) comes by
 * const loss = withOffload(store, () => sum(checkpoint((a) => [exp(exp(a))], mul(w, 2))[0]))
 * console.log(loss.needsGrad) // → true
 * ```
 */
export function withOffload<T>(store: ActivationStore | null, fn: () => T): T {
  const before = target
  target = store
  try {
    return fn()
  } finally {
    target = before
  }
}
