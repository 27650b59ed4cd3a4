/**
 * The gradients of all parameters side by side in one buffer: cleared by one call and measured by one, instead of one for
 * each of hundreds of small tensors.
 */
import type { Parameters } from '../optim/transform.ts'
import { Storage } from './storage.ts'
import { clear, Tensor } from './tensor.ts'

/** Owns the buffer; disposing it takes the gradients off the parameters. */
export interface FlatGradients extends Disposable {
  /** (n) f32: every gradient, in the order of the parameters, with zeros between them. */
  readonly all: Tensor
  clear(): void
}

/** Elements to which each gradient is aligned: 64 bytes. */
const ALIGNMENT = 16

/**
 * Gives every parameter a gradient of zeros that lies in one buffer. All are on one device.
 *
 * @example
 * ```ts
 * import { flatGradients, parameter, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const parameters = new Map([['w', parameter(tensor([1, 2]))]])
 * using gradients = flatGradients(parameters) // one memory for all, so that one call clips or clears them
 * console.log(gradients !== null) // → true
 * ```
 */
export function flatGradients(parameters: Parameters): FlatGradients | null {
  const leaves = [...parameters.values()]
  const [first] = leaves
  if (!first || leaves.some(({ device }) => device !== first.device)) return null
  const starts: number[] = []
  let size = 0
  for (const leaf of leaves) {
    starts.push(size)
    size += Math.ceil(leaf.size / ALIGNMENT) * ALIGNMENT
  }
  const all = new Tensor(new Storage(first.device, 4 * size), [size], 'f32', 0, null)
  clear(all)
  for (const [i, leaf] of leaves.entries()) {
    leaf.grad?.dispose()
    leaf.grad = all.window(leaf.shape, starts[i])
    leaf.grad.adopt(null)
  }
  return {
    all,
    clear: () => clear(all),
    [Symbol.dispose]() {
      for (const leaf of leaves) {
        if (leaf.grad?.storage !== all.storage) continue
        leaf.grad.dispose()
        leaf.grad = null
      }
      all.dispose()
    },
  }
}
