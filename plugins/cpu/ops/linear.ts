/**
 * matmul, linear and linear_cross_entropy on a native library.
 */
import {
  implement,
  linearBackward,
  linearCrossEntropyOp,
  linearForward,
  matmulOp,
  matmulSizes,
  type OpImplementation,
  sizeOf,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

export function linearOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(matmulOp, {
      run({ a, b }, { c }, params) {
        const { batch, m, n, k, strideA, strideB } = matmulSizes(a.shape, b.shape, params)
        native.tt_matmul(
          at(c),
          at(a),
          at(b),
          sizeOf(batch),
          m,
          n,
          k,
          m * n,
          strideA,
          strideB,
          Number(params.transposeA),
          Number(params.transposeB),
          1,
          0,
          dtypeOf(c),
          dtypeOf(a),
          NO_STREAM,
        )
      },
    }),
    implement(linearForward, {
      run({ x, weight, bias, loraA, loraB }, { y, xa }, { scale, dropout, rng }) {
        const [outFeatures, inFeatures] = weight.shape
        native.tt_linear_forward(
          at(y),
          at(xa),
          at(x),
          at(weight),
          at(bias),
          at(loraA),
          at(loraB),
          rng,
          x.rows,
          inFeatures,
          outFeatures,
          loraA ? loraA.shape[0] : 0,
          scale,
          dropout,
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(linearBackward, {
      run({ dy, x, weight, loraA, loraB, xa }, { dx, dw, dbias, da, db }, params) {
        const [outFeatures, inFeatures] = weight.shape
        native.tt_linear_backward(
          at(dx),
          at(dw),
          at(dbias),
          at(da),
          at(db),
          at(dy),
          at(x),
          at(xa),
          at(weight),
          at(loraA),
          at(loraB),
          params.rng,
          dy.rows,
          inFeatures,
          outFeatures,
          loraA ? loraA.shape[0] : 0,
          params.scale,
          params.dropout,
          Number(params.accumulateDx),
          dtypeOf(dy),
          NO_STREAM,
        )
      },
    }),
    implement(linearCrossEntropyOp, {
      run({ h, weight, targets }, { loss, nll, dh, dw }, { scale, softcap }) {
        native.tt_linear_cross_entropy(
          at(loss),
          at(nll),
          at(dh),
          at(dw),
          at(h),
          at(weight),
          at(targets),
          h.shape[0],
          h.shape[1],
          weight.shape[0],
          scale,
          softcap,
          dtypeOf(h),
          NO_STREAM,
        )
      },
    }),
  ]
}
