/**
 * What the files of this room share about the adapters of a model: all of them, the weights that are asked for, and whether they are folded in.
 */
import type { Adapter, AdapterSlot, ModelAdapter } from '../contracts/adapter.ts'
import type { Model } from '../contracts/model.ts'
import { didYouMean, TrituneError } from '../errors.ts'

/** Those of the layers, then those of the whole model. */
export function slotsOf(model: Model): AdapterSlot<Adapter | ModelAdapter>[] {
  return [...[...model.layers.values()].flatMap(({ adapters }) => adapters), ...model.adapters]
}

/** Names with weights, checked: E_NAME for a name that there is not, E_ADAPTER for a weight that cannot be. */
export function weightsOf(
  model: Model,
  active: readonly string[] | Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const weights = new Map<string, number>(
    Array.isArray(active) ? active.map((name: string) => [name, 1]) : Object.entries(active),
  )
  const names = new Set(slotsOf(model).map(({ name }) => name))
  for (const [name, weight] of weights) {
    if (!names.has(name))
      throw new TrituneError('E_NAME', `the model has no adapter "${name}"`, {
        remedy: didYouMean(name, names),
      })
    if (!Number.isFinite(weight))
      throw new TrituneError('E_ADAPTER', `the weight of adapter "${name}" is ${weight}`)
    if (weight !== 0 && weight !== 1 && model.adapters.some((slot) => slot.name === name))
      throw new TrituneError('E_ADAPTER', `the weight of adapter "${name}" is ${weight}`, {
        remedy: 'what stands before the text can be on (1) or off (0)',
      })
  }
  return weights
}

/** Models whose weights have adapters folded in, and how that is undone. */
export const MERGED: WeakMap<Model, Disposable> = new WeakMap()

/** E_ADAPTER when adapters are folded into the weights: switching them would count them twice. */
export function expectUnmerged(model: Model): void {
  if (MERGED.has(model))
    throw new TrituneError('E_ADAPTER', 'adapters are merged into the weights of the model', {
      remedy: 'call unmergeAdapters(model) first',
    })
}
