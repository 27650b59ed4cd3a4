/**
 * How tensors become arguments of native calls.
 */
import { DTYPES, type OpImplementation, type Tensor } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'

/** The CPU has no streams. */
export const NO_STREAM = 0

/** Address, or NULL for an input that is not there or an output that is not wanted. */
export function at(tensor: Tensor | null | undefined): number {
  return tensor ? tensor.address : 0
}

export function dtypeOf(tensor: Tensor): number {
  return DTYPES[tensor.dtype].code
}

/** The implementations of one family of ops on the functions of an open library. */
export type NativeFamily = (native: CheckedFunctions) => readonly OpImplementation[]
