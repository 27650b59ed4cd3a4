/**
 * Tensors that outlive the scope that they were made in.
 */
import type { Tensor } from '../../core/mod.ts'

/** Takes a tensor out of its scope: whoever asked disposes it. */
export function owned(made: Tensor): Tensor {
  made.adopt(null)
  return made
}
