/**
 * adamw, adamw_8bit and sample on a native library.
 */
import {
  type Adamw8bitInputs,
  adamw8bitOp,
  type Adamw8bitOutputs,
  adamwOp,
  type AdamwParams,
  implement,
  type OpArguments,
  type OpImplementation,
  sampleOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

type Adamw8bitArguments = OpArguments<Adamw8bitInputs, AdamwParams, Adamw8bitOutputs>

export function optimizerOps(native: CheckedFunctions): readonly OpImplementation[] {
  const step8bit = (calls: readonly Adamw8bitArguments[]): void => {
    for (const { list, params, weightDecay } of listsOf(calls)) {
      const table = list.flatMap(({ inputs, params }) => [
        at(inputs.weight),
        at(inputs.master),
        at(inputs.m8),
        at(inputs.v8),
        at(inputs.mAbsmax),
        at(inputs.vAbsmax),
        at(inputs.grad),
        inputs.weight.size,
        dtypeOf(inputs.weight),
        Number(params.weightDecay !== 0),
      ])
      const { lr, beta1, beta2, eps, bias1, bias2, gradScale } = params
      const rates = [lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale] as const
      native.tt_adamw_8bit(BigInt64Array.from(table, BigInt), list.length, ...rates, NO_STREAM)
    }
  }
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
      runMany(calls) {
        for (const { list, params, weightDecay } of listsOf(calls)) {
          const table = list.flatMap(({ inputs: { weight, master, m, v, grad }, params }) => [
            at(weight),
            at(master),
            at(m),
            at(v),
            at(grad),
            weight.size,
            dtypeOf(weight),
            Number(params.weightDecay !== 0),
          ])
          const { lr, beta1, beta2, eps, bias1, bias2, gradScale } = params
          const rates = [lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale] as const
          native.tt_adamw_list(BigInt64Array.from(table, BigInt), list.length, ...rates, NO_STREAM)
        }
      },
    }),
    implement(adamw8bitOp, {
      run: (inputs, outputs, params) => step8bit([{ inputs, outputs, params }]),
      runMany: step8bit,
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

/** Calls that one native call can take: the same settings, but for a weight decay that some leave out. */
function listsOf<C extends { readonly params: AdamwParams }>(
  calls: readonly C[],
): { readonly list: readonly C[]; readonly params: AdamwParams; readonly weightDecay: number }[] {
  const settings = ({ lr, beta1, beta2, eps, bias1, bias2, gradScale }: AdamwParams): string =>
    [lr, beta1, beta2, eps, bias1, bias2, gradScale].join(' ')
  const decays = new Set(calls.map(({ params }) => params.weightDecay).filter((decay) => decay !== 0))
  const groups = Map.groupBy(calls, ({ params }) =>
    decays.size > 1 ? `${settings(params)} ${params.weightDecay}` : settings(params),
  )
  return Array.from(groups.values(), (list) => ({
    list,
    params: list[0].params,
    weightDecay: Math.max(...list.map(({ params }) => params.weightDecay)),
  }))
}
