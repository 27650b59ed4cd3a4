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

/** Elements to which each gradient is aligned: a block of 8-bit moments, which a cut between two processes must not divide. */
const ALIGNMENT = 256

/** Where the gradients lie, in elements. */
export interface FlatLayout {
  readonly starts: ReadonlyMap<string, number>
  /** Of all of them. */
  readonly size: number
}

/**
 * The places that `flatGradients()` gives to the gradients: one after the other, each from a multiple of 256 elements.
 *
 * @example
 * ```ts
 * import { flatLayout, tensorScope, zeros } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const { starts, size } = flatLayout(new Map([['a', zeros([3])], ['b', zeros([2, 2])]]))
 * console.log(starts.get('b'), size) // → 256 512
 * ```
 */
export function flatLayout(parameters: Parameters): FlatLayout {
  const starts = new Map<string, number>()
  let size = 0
  for (const [name, leaf] of parameters) {
    starts.set(name, size)
    size += Math.ceil(leaf.size / ALIGNMENT) * ALIGNMENT
  }
  return { starts, size }
}

/**
 * Gives every parameter a gradient of zeros that lies in one buffer, of `room` elements at least. All are on one device.
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
export function flatGradients(
  parameters: Parameters,
  { room = 0 }: { readonly room?: number } = {},
): FlatGradients | null {
  const leaves = [...parameters.values()]
  const [first] = leaves
  if (!first || leaves.some(({ device }) => device !== first.device)) return null
  const layout = flatLayout(parameters)
  const size = Math.max(room, layout.size)
  const all = new Tensor(new Storage(first.device, 4 * size), [size], 'f32', 0, null)
  clear(all)
  for (const [name, leaf] of parameters) {
    leaf.grad?.dispose()
    leaf.grad = all.window(leaf.shape, layout.starts.get(name) ?? 0)
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
