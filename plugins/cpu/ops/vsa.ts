/**
 * Ternary hypervectors on a native library.
 */
import {
  implement,
  type OpImplementation,
  vsaBundleOp,
  type VsaCombination,
  vsaCombineOp,
  type VsaMetric,
  vsaPackOp,
  vsaPermuteOp,
  vsaSimilarityOp,
  vsaUnpackOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, NO_STREAM } from './_arguments.ts'

/** The enums of tritune.h. */
const COMBINATIONS: { readonly [K in VsaCombination]: number } = { product: 0, bind: 1, unbind: 2 }
const METRICS: { readonly [K in VsaMetric]: number } = { dot: 0, hamming: 1 }

export function vsaOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(vsaPackOp, {
      run({ x }, { y }) {
        native.tt_vsa_pack(at(y), at(x), x.shape[0], x.shape[1], NO_STREAM)
      },
    }),
    implement(vsaUnpackOp, {
      run({ x }, { y }, { dims }) {
        native.tt_vsa_unpack(at(y), at(x), x.shape[0], dims, NO_STREAM)
      },
    }),
    implement(vsaCombineOp, {
      run({ a, b }, { y }, { dims, how }) {
        const [rows, bRows] = [a.shape[0], b.shape[0]]
        native.tt_vsa_combine(at(y), at(a), at(b), rows, bRows, dims, COMBINATIONS[how], NO_STREAM)
      },
    }),
    implement(vsaBundleOp, {
      run({ x, weights }, { y }, { dims, count }) {
        native.tt_vsa_bundle(at(y), at(x), at(weights), y.shape[0], count, dims, NO_STREAM)
      },
    }),
    implement(vsaSimilarityOp, {
      run({ a, b }, { scores }, { dims, metric }) {
        const [aRows, bRows] = [a.shape[0], b.shape[0]]
        native.tt_vsa_similarity(at(scores), at(a), at(b), aRows, bRows, dims, METRICS[metric], NO_STREAM)
      },
    }),
    implement(vsaPermuteOp, {
      run({ x }, { y }, { dims, shift }) {
        // Any whole number is a shift; the argument is an i32.
        native.tt_vsa_permute(at(y), at(x), x.shape[0], dims, shift % dims, NO_STREAM)
      },
    }),
  ]
}
