/**
 * Numbers on the host that go into checkpoints: a tensor, and the array that is its memory.
 */
import { referenceDevice, type Tensor, TrituneError, zeros } from '../../../core/mod.ts'

/** Both are the same memory; the tensor is to be disposed. */
export interface KeptNumbers {
  readonly tensor: Tensor
  readonly numbers: Float32Array
}

/** So many zeros, of no scope. */
export function keptNumbers(length: number): KeptNumbers {
  const tensor = zeros([length], { device: referenceDevice })
  tensor.adopt(null)
  const numbers = tensor.host()
  if (numbers instanceof Float32Array) return { tensor, numbers }
  throw new TrituneError('E_DTYPE', `numbers that are kept are f32, these are ${tensor.dtype}`)
}
