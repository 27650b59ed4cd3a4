/**
 * How much of a model a token meets: of a mixture of experts a part.
 */
import type { Model } from '../../../core/mod.ts'
import { countWeights } from './count-weights.ts'

/** For each layer of the experts the share of the tokens that come to it, where all experts get as many; other layers are not there. */
export function expertShares({
  expertParameters,
}: Pick<Model, 'expertParameters'>): ReadonlyMap<string, number> {
  const shares = new Map<string, number>()
  for (const { experts, perToken } of expertParameters?.values() ?? [])
    for (const { path } of experts.flat()) shares.set(path, perToken / experts.length)
  return shares
}

/**
 * How many numbers of a model one token meets: all of them, but of experts only those that it gets.
 *
 * @example
 * ```ts
 * import { countActiveWeights, countWeights } from 'tritune/plugins/finetune'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * console.log(countActiveWeights(model) === countWeights(model)) // → true
 * ```
 */
export function countActiveWeights(model: Pick<Model, 'weights' | 'layers' | 'expertParameters'>): number {
  const shares = expertShares(model)
  let idle = 0
  for (const [path, share] of shares) {
    const layer = model.layers.get(path)
    if (layer) idle += (1 - share) * (layer.inputs * layer.outputs + (layer.bias ? layer.outputs : 0))
  }
  return Math.round(countWeights(model) - idle)
}
