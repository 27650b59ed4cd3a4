/**
 * Ternary hypervectors on a native library.
 */
import {
  implement,
  type OpImplementation,
  vsaBindOp,
  vsaBundleOp,
  vsaPackOp,
  vsaPermuteOp,
  vsaSimilarityOp,
  vsaUnpackOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, NO_STREAM } from './_arguments.ts'

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
    implement(vsaBindOp, {
      run({ a, b }, { y }, { dims }) {
        native.tt_vsa_bind(at(y), at(a), at(b), a.shape[0], b.shape[0], dims, NO_STREAM)
      },
    }),
    implement(vsaBundleOp, {
      run({ x }, { y }, { dims, count }) {
        native.tt_vsa_bundle(at(y), at(x), y.shape[0], count, dims, NO_STREAM)
      },
    }),
    implement(vsaSimilarityOp, {
      run({ a, b }, { dots }, { dims }) {
        native.tt_vsa_similarity(at(dots), at(a), at(b), a.shape[0], b.shape[0], dims, NO_STREAM)
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
