/**
 * adamw and sample on a native library.
 */
import { adamwOp, implement, type OpImplementation, sampleOp } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/library.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

export function optimizerOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(adamwOp, {
      run({ weight, master, m, v, grad }, _, params) {
        const { lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale } = params
        native.tt_adamw(
          at(weight),
          at(master),
          at(m),
          at(v),
          at(grad),
          weight.size,
          lr,
          beta1,
          beta2,
          eps,
          weightDecay,
          bias1,
          bias2,
          gradScale,
          dtypeOf(weight),
          NO_STREAM,
        )
      },
    }),
    implement(sampleOp, {
      run({ logits, history }, { ids }, { temperature, topK, topP, repetitionPenalty, key }) {
        native.tt_sample(
          at(ids),
          at(logits),
          at(history),
          key,
          logits.shape[0],
          logits.shape[1],
          history?.size ?? 0,
          temperature,
          topK,
          topP,
          repetitionPenalty,
          dtypeOf(logits),
          NO_STREAM,
        )
      },
    }),
  ]
}
