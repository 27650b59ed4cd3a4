/**
 * add_to on a native library.
 */
import { addToOp, implement, type OpImplementation } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

export function accumulateOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(addToOp, {
      run({ x }, { y }) {
        native.tt_add_to(at(y), at(x), x.size, dtypeOf(y), dtypeOf(x), NO_STREAM)
      },
    }),
  ]
}
