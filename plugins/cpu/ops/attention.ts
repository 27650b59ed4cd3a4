/**
 * rope and attention on a native library.
 */
import {
  attentionBackward,
  type AttentionInputs,
  attentionForward,
  implement,
  type OpImplementation,
  ropeOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/library.ts'
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
      run({ q, k, v, offsetsQ, offsetsK }, { o, lse }, { scale, causal, window, softcap }) {
        native.tt_attention_forward(
          at(o),
          at(lse),
          at(q),
          at(k),
          at(v),
          at(offsetsQ),
          at(offsetsK),
          offsetsQ.size - 1,
          q.shape[1],
          k.shape[1],
          q.shape[2],
          scale,
          Number(causal),
          window,
          softcap,
          dtypeOf(q),
          NO_STREAM,
        )
      },
    }),
    implement(attentionBackward, {
      supports: headFits,
      run({ grad, o, lse, q, k, v, offsetsQ, offsetsK }, { dq, dk, dv }, { scale, causal, window, softcap }) {
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
          offsetsQ.size - 1,
          q.shape[1],
          k.shape[1],
          q.shape[2],
          scale,
          Number(causal),
          window,
          softcap,
          dtypeOf(q),
          NO_STREAM,
        )
      },
    }),
  ]
}

function headFits({ q }: AttentionInputs): true | string {
  return q.shape[2] <= LARGEST_HEAD || `heads of ${q.shape[2]} channels, at most ${LARGEST_HEAD}`
}
