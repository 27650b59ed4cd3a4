/**
 * rms_norm and layer_norm on a native library.
 */
import {
  implement,
  layerNormBackward,
  layerNormForward,
  type OpImplementation,
  rmsNormBackward,
  rmsNormForward,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

export function normOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(rmsNormForward, {
      run({ x, residual, weight }, { y, h, rstd }, { eps }) {
        native.tt_rms_norm_forward(
          at(y),
          at(h),
          at(rstd),
          at(x),
          at(residual),
          at(weight),
          x.rows,
          weight.size,
          eps,
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(rmsNormBackward, {
      run({ dy, dh, h, weight, rstd }, { dx, dw }) {
        native.tt_rms_norm_backward(
          at(dx),
          at(dw),
          at(dy),
          at(dh),
          at(h),
          at(weight),
          at(rstd),
          h.rows,
          weight.size,
          dtypeOf(h),
          NO_STREAM,
        )
      },
    }),
    implement(layerNormForward, {
      run({ x, residual, weight, bias }, { y, h, mean, rstd }, { eps }) {
        native.tt_layer_norm_forward(
          at(y),
          at(h),
          at(mean),
          at(rstd),
          at(x),
          at(residual),
          at(weight),
          at(bias),
          x.rows,
          weight.size,
          eps,
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(layerNormBackward, {
      run({ dy, dh, h, weight, mean, rstd }, { dx, dw, db }) {
        native.tt_layer_norm_backward(
          at(dx),
          at(dw),
          at(db),
          at(dy),
          at(dh),
          at(h),
          at(weight),
          at(mean),
          at(rstd),
          h.rows,
          weight.size,
          dtypeOf(h),
          NO_STREAM,
        )
      },
    }),
  ]
}
