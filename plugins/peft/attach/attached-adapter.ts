/**
 * An adapter on a model, and which ones there are by name: found, renamed and deleted as in PEFT. Which of them count:
 * `activateAdapters` of core.
 */
import {
  type Adapter,
  adapterNames,
  didYouMean,
  type FinishedForm,
  type GradientTransform,
  type Model,
  type Parameters,
  TrituneError,
} from '../../../core/mod.ts'
import type { TargetMatch } from './targets.ts'

/** An adapter on a model. Disposing it takes it off and frees its tensors. */
export interface AttachedAdapter extends Disposable {
  /** Its name among the adapters of the model: `activateAdapters(model, [name])`. */
  readonly name: string
  readonly kind: string
  readonly match: TargetMatch
  /** By module path; empty for an adapter of the whole model. */
  readonly adapters: ReadonlyMap<string, Adapter>
  /** Trainable tensors as `<module path>.<PEFT name>`, in the order of the model. */
  readonly parameters: Parameters
  /** All tensors of its file, under the names that they have there; those that an encoder makes are made now. */
  readonly tensors: Parameters
  /** What adapter_config.json says besides the fields that every adapter has. */
  readonly config: Readonly<Record<string, unknown>>
  /** The chain with what the adapter adds to a step: a penalty before it, a hook after it. */
  around(chain: GradientTransform): GradientTransform
  /** Where its finished files are trimmed: what they say. */
  finished(): FinishedForm | null
}

/** The adapters that attachAdapter() and loadAdapter() put on the model, in the order in which they came. */
export function attachedAdapters(model: Model): readonly AttachedAdapter[] {
  return [...(ATTACHED.get(model) ?? [])]
}

/** The adapter of a name; E_NAME when the model has none. */
export function attachedAdapter(model: Model, name: string): AttachedAdapter {
  const all = attachedAdapters(model)
  const found = all.find((one) => one.name === name)
  if (found) return found
  throw new TrituneError('E_NAME', `the model has no adapter "${name}"`, {
    remedy: didYouMean(
      name,
      all.map((one) => one.name),
    ),
  })
}

/**
 * Takes the adapter of a name off the model and frees it; the others stay as they are, active or not. E_NAME when the model has none.
 * The same as disposing what `loadAdapter()` gave.
 */
export function deleteAdapter(model: Model, name: string): void {
  attachedAdapter(model, name)[Symbol.dispose]()
}

/**
 * Gives an adapter of the model another name. E_NAME when there is none of the old name, E_ADAPTER when there is one of the new name already.
 *
 * @example
 * ```ts
 * import { adapterNames } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter, renameAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = loadAdapter(model, 'my-adapter')
 * renameAdapter(model, 'default', 'german')
 * console.log(adapterNames(model), adapter.name) // → [ 'german' ] german
 * ```
 */
export function renameAdapter(model: Model, from: string, to: string): void {
  attachedAdapter(model, from)
  if (from === to) return
  expectFree(model, to)
  const slots = [...[...model.layers.values()].flatMap(({ adapters }) => adapters), ...model.adapters]
  for (const slot of slots) if (slot.name === from) slot.name = to
}

/** E_ADAPTER when the model has an adapter of this name, or it is none. */
export function expectFree(model: Model, name: string): void {
  if (name === '' || name === '__base__')
    throw new TrituneError('E_ADAPTER', `an adapter cannot have the name "${name}"`, {
      remedy: 'give it another name: __base__ stands for the model without adapters',
    })
  if (!adapterNames(model).includes(name)) return
  throw new TrituneError('E_ADAPTER', `the model already has an adapter "${name}"`, {
    remedy: 'give this one another name, or dispose the first one',
  })
}

/** Remembers it until it is forgotten. */
export function rememberAttached(model: Model, adapter: AttachedAdapter): void {
  const all = ATTACHED.get(model) ?? new Set()
  ATTACHED.set(model, all.add(adapter))
}

export function forgetAttached(model: Model, adapter: AttachedAdapter): void {
  ATTACHED.get(model)?.delete(adapter)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ATTACHED: WeakMap<Model, Set<AttachedAdapter>> = new WeakMap()
