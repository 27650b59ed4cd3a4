/**
 * rope and attention on a native library.
 */
import {
  attentionBackward,
  type AttentionInputs,
  type AttentionParams,
  attentionForward,
  implement,
  type OpImplementation,
  ropeOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

/** Head sizes above this have no kernel. */
const LARGEST_HEAD = 256

export function attentionOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(ropeOp, {
      run({ x, cos, sin, positions }, { y }, { inverse }) {
        const [tokens, heads, size] = x.shape
        native.tt_rope(
          at(y),
          at(x),
          at(cos),
          at(sin),
          at(positions),
          tokens,
          heads,
          size,
          2 * cos.shape[1],
          cos.shape[0],
          Number(inverse),
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(attentionForward, {
      supports: headFits,
      run(inputs, { o, lse }, params) {
        const { q, k, v, offsetsQ, offsetsK } = inputs
        native.tt_attention_forward(
          at(o),
          at(lse),
          at(q),
          at(k),
          at(v),
          at(offsetsQ),
          at(offsetsK),
          ...shared(inputs, params),
        )
      },
    }),
    implement(attentionBackward, {
      supports: headFits,
      run(inputs, { dq, dk, dv }, params) {
        const { grad, o, lse, q, k, v, offsetsQ, offsetsK } = inputs
        native.tt_attention_backward(
          at(dq),
          at(dk),
          at(dv),
          at(grad),
          at(o),
          at(lse),
          at(q),
          at(k),
          at(v),
          at(offsetsQ),
          at(offsetsK),
          ...shared(inputs, params),
        )
      },
    }),
  ]
}

type SharedArguments = [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
]

/** What both passes take after their tensors: sizes, scalars, dtype, stream. */
function shared(
  { q, k, offsetsQ }: AttentionInputs,
  { scale, causal, window, softcap }: AttentionParams,
): SharedArguments {
  const documents = offsetsQ.size - 1
  const [tokensQ, heads, size] = q.shape
  const [tokensK, kvHeads] = k.shape
  return [
    documents,
    tokensQ,
    tokensK,
    heads,
    kvHeads,
    size,
    scale,
    Number(causal),
    window,
    softcap,
    dtypeOf(q),
    NO_STREAM,
  ]
}

function headFits({ q }: AttentionInputs): true | string {
  return q.shape[2] <= LARGEST_HEAD || `heads of ${q.shape[2]} channels, at most ${LARGEST_HEAD}`
}
