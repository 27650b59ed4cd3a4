/**
 * Which adapters of a model count, by name: one, several with weights, or none.
 */
import type { Adapter, AdapterSlot, ModelAdapter } from '../contracts/adapter.ts'
import type { Model } from '../contracts/model.ts'
import { expectUnmerged, slotsOf, weightsOf } from './_slots.ts'

/** The adapters to be active: names, each with weight 1, or names with weights. */
export type ActiveAdapters = readonly string[] | Readonly<Record<string, number>>

/** Names of the adapters that are on the model, in the order in which they came. */
export function adapterNames(model: Model): string[] {
  return [...new Set(slotsOf(model).map(({ name }) => name))]
}

/**
 * Makes these the active ones and switches all others off. E_NAME for a name that there is not; E_ADAPTER for a
 * weight that is no number, or other than 0 and 1 for an adapter of the whole model, or when adapters are merged. The model is then unchanged.
 *
 * @example
 * ```ts
 * import { activateAdapters } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _german = loadAdapter(model, 'german', { name: 'german' })
 * using _polite = loadAdapter(model, 'polite', { name: 'polite' })
 * activateAdapters(model, { german: 1, polite: 0.5 })
 * ```
 */
export function activateAdapters(model: Model, active: ActiveAdapters): void {
  expectUnmerged(model)
  const weights = weightsOf(model, active)
  for (const slot of slotsOf(model)) slot.weight = weights.get(slot.name) ?? 0
}

/**
 * Runs `fn` with these adapters active, and gives what was active its weights back. `[]`: the base model.
 *
 * @example
 * ```ts
 * import { withAdapters } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _adapter = attachLora(model, { targetModules: 'all-linear' })
 * const withoutIt = withAdapters(model, [], () => model.info.type) // the base model alone, then as before
 * console.log(withoutIt) // → llama
 * ```
 */
export function withAdapters<T>(model: Model, active: ActiveAdapters, fn: () => T): T {
  const before = slotsOf(model).map((slot): [AdapterSlot<Adapter | ModelAdapter>, number] => [
    slot,
    slot.weight,
  ])
  activateAdapters(model, active)
  try {
    return fn()
  } finally {
    for (const [slot, weight] of before) slot.weight = weight
  }
}

/** Positions that the active adapters of the whole model take before every document. */
export function leadLength({ adapters }: Pick<Model, 'adapters'>): number {
  return adapters.reduce((sum, { weight, adapter }) => sum + (weight === 0 ? 0 : adapter.length), 0)
}
