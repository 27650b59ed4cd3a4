/**
 * reduce, softmax, sum_squares and find_nonfinite on a native library.
 */
import {
  findNonFiniteOp,
  implement,
  type OpImplementation,
  reduceOp,
  softmaxBackward,
  softmaxForward,
  sumSquaresOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

/** The enum of tt_reduce. */
const REDUCTIONS = { sum: 0, mean: 1, amax: 2 } as const

export function reductionOps(native: CheckedFunctions): readonly OpImplementation[] {
  const found = new BigInt64Array(1)
  return [
    implement(reduceOp, {
      run({ x }, { y }, { f, outer, n, inner }) {
        native.tt_reduce(at(y), at(x), outer, n, inner, REDUCTIONS[f], dtypeOf(x), NO_STREAM)
      },
    }),
    implement(softmaxForward, {
      run({ x }, { y }) {
        native.tt_softmax_forward(at(y), at(x), x.rows, x.shape.at(-1) ?? 1, dtypeOf(x), NO_STREAM)
      },
    }),
    implement(softmaxBackward, {
      run({ dy, y }, { dx }) {
        native.tt_softmax_backward(at(dx), at(dy), at(y), y.rows, y.shape.at(-1) ?? 1, dtypeOf(y), NO_STREAM)
      },
    }),
    implement(sumSquaresOp, {
      run({ x }, { total }) {
        native.tt_sum_squares(at(total), at(x), x.size, dtypeOf(x), NO_STREAM)
      },
    }),
    implement(findNonFiniteOp, {
      run({ x }, { index }) {
        // The answer arrives on the host, whatever the device.
        native.tt_find_nonfinite(found, at(x), x.size, dtypeOf(x), NO_STREAM)
        index.set(new Uint8Array(found.buffer))
      },
    }),
  ]
}
