/**
 * cast, affine, unary, binary, gated activations and dropout on a native library.
 */
import {
  affineOp,
  binaryOp,
  type BinaryFunction,
  castOp,
  dropoutOp,
  gatedBackward,
  gatedForward,
  implement,
  type OpImplementation,
  packDims,
  unaryBackward,
  unaryForward,
  type UnaryFunction,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

/** The enum of tt_unary_forward. */
const UNARY: { readonly [F in UnaryFunction]: number } = {
  neg: 0,
  exp: 1,
  log: 2,
  sqrt: 3,
  rsqrt: 4,
  tanh: 5,
  sigmoid: 6,
  relu: 7,
  abs: 8,
  sin: 9,
  cos: 10,
  square: 11,
  reciprocal: 12,
  silu: 13,
  gelu_tanh: 14,
  gelu_erf: 15,
}

/** The enum of tt_binary. */
const BINARY: { readonly [F in BinaryFunction]: number } = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  maximum: 4,
  minimum: 5,
  greater: 7,
  equal: 8,
}

export function elementwiseOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(castOp, {
      run({ x }, { y }) {
        native.tt_cast(at(y), at(x), x.size, dtypeOf(y), dtypeOf(x), NO_STREAM)
      },
    }),
    implement(affineOp, {
      run({ x }, { y }, { scale, shift }) {
        native.tt_affine(at(y), at(x), x.size, scale, shift, dtypeOf(x), NO_STREAM)
      },
    }),
    implement(unaryForward, {
      run({ x }, { y }, { f }) {
        native.tt_unary_forward(at(y), at(x), x.size, UNARY[f], dtypeOf(x), NO_STREAM)
      },
    }),
    implement(unaryBackward, {
      run({ dy, x }, { dx }, { f }) {
        native.tt_unary_backward(at(dx), at(dy), at(x), x.size, UNARY[f], dtypeOf(x), NO_STREAM)
      },
    }),
    implement(binaryOp, {
      run({ a, b }, { y }, { f, dims }) {
        native.tt_binary(at(y), at(a), at(b), packDims(dims), dims.length, BINARY[f], dtypeOf(a), NO_STREAM)
      },
    }),
    implement(gatedForward, {
      run({ gate, up }, { h }, { f }) {
        const { size } = gate
        if (f === 'silu') native.tt_swiglu_forward(at(h), at(gate), at(up), size, dtypeOf(gate), NO_STREAM)
        else {
          const tanh = Number(f === 'gelu_tanh')
          native.tt_geglu_forward(at(h), at(gate), at(up), size, tanh, dtypeOf(gate), NO_STREAM)
        }
      },
    }),
    implement(gatedBackward, {
      run({ dh, gate, up }, { dgate, dup }, { f }) {
        const tanh = Number(f === 'gelu_tanh')
        const [toGate, toUp, dtype] = [at(dgate), at(dup), dtypeOf(gate)]
        if (f === 'silu')
          native.tt_swiglu_backward(toGate, toUp, at(dh), at(gate), at(up), gate.size, dtype, NO_STREAM)
        else
          native.tt_geglu_backward(toGate, toUp, at(dh), at(gate), at(up), gate.size, tanh, dtype, NO_STREAM)
      },
    }),
    implement(dropoutOp, {
      run({ x }, { y }, { p, rng }) {
        native.tt_dropout(at(y), at(x), rng, x.size, p, dtypeOf(x), NO_STREAM)
      },
    }),
  ]
}
