/**
 * What a model wants added to the loss besides that of its predictions: the balance of the experts of a mixture.
 */
import type { AuxiliaryLoss } from '../contracts/model.ts'
import type { ObjectiveResult } from '../contracts/objective.ts'
import { add } from '../ops/binary.ts'
import { reshape } from '../ops/movement.ts'
import { affine } from '../ops/unary.ts'

/**
 * The result of an objective with the auxiliary losses that `model.hidden(tokens, { auxiliary })` gave, each under its own name in the log.
 * `share`: the part of this micro-batch in its window, so that those of a window are a mean.
 *
 * @example
 * ```ts
 * import { type AuxiliaryLoss, headCrossEntropy, noGrad, tensor, tensorScope, withAuxiliary } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const auxiliary = new Map<string, AuxiliaryLoss>()
 * const { loss } = noGrad(() => {
 *   const hidden = model.hidden(createBatch({ ids: [1, 2] }), { auxiliary })
 *   const targets = tensor([2, -100], { dtype: 'i32' })
 *   return withAuxiliary({ loss: headCrossEntropy(model.head, hidden, targets, { scale: 1 }) }, auxiliary, 1)
 * })
 * console.log(loss.item() > 0, auxiliary.size) // → true 0
 * ```
 */
export function withAuxiliary(
  { loss, log = {} }: ObjectiveResult,
  auxiliary: ReadonlyMap<string, AuxiliaryLoss>,
  share: number,
): ObjectiveResult {
  if (auxiliary.size === 0) return { loss, log }
  let total = reshape(loss, [])
  const named = { ...log }
  for (const [name, { loss: own, coefficient }] of auxiliary) {
    total = add(total, reshape(affine(own, { scale: coefficient * share }), []))
    named[name] = affine(own, { scale: share })
  }
  return { loss: total, log: named }
}
