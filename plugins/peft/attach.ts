/**
 * Puts an adapter on the layers of a model, and takes it off again.
 */
import {
  type Adapter,
  type AdapterDefinition,
  type Model,
  type Parameters,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { NAME_KEY, OPTIONS_KEY } from './load-community.ts'
import { matchTargets, type TargetMatch, type TargetOptions } from './targets.ts'

/** An adapter on a model. Disposing it takes it off and frees its tensors. */
export interface AttachedAdapter extends Disposable {
  readonly kind: string
  readonly match: TargetMatch
  readonly adapters: ReadonlyMap<string, Adapter>
  /** Trainable tensors as `<module path>.<PEFT name>`, in the order of the model. */
  readonly parameters: Parameters
  /** What adapter_config.json says besides the fields that every adapter has. */
  readonly config: Readonly<Record<string, unknown>>
}

export interface AttachOptions<O> extends TargetOptions {
  /** Seeds the initial values; the same seed gives the same adapter. */
  readonly seed?: number
  /** Options of one module, where they differ. */
  optionsFor?(path: string, options: O): O
  /** For adapter_config.json; default: name and options of the definition, from which `loadAdapter` makes it again. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** E_ADAPTER when a target matches nothing or a layer already has an adapter; the model is then unchanged. */
export function attachAdapter<O>(
  model: Model,
  definition: AdapterDefinition<O>,
  options: O,
  {
    seed = 0,
    optionsFor = (_path, shared) => shared,
    config = { [NAME_KEY]: definition.name, [OPTIONS_KEY]: options },
    ...targets
  }: AttachOptions<O>,
): AttachedAdapter {
  const match = matchTargets(model.layers.keys(), targets)
  const adapters = new Map<string, Adapter>()
  try {
    for (const path of match.matched) {
      const layer = model.layers.get(path)
      if (!layer || layer.adapter)
        throw new TrituneError('E_ADAPTER', `${path} already has an adapter`, {
          remedy: 'dispose the first one',
        })
      adapters.set(path, definition.create(layer, optionsFor(path, options), { seed }))
    }
  } catch (error) {
    for (const adapter of adapters.values()) adapter[Symbol.dispose]()
    throw error
  }
  return install(model, definition.name, match, adapters, config)
}

/** Puts made adapters on their layers. */
export function install(
  model: Model,
  kind: string,
  match: TargetMatch,
  adapters: ReadonlyMap<string, Adapter>,
  config: Readonly<Record<string, unknown>>,
): AttachedAdapter {
  const parameters = new Map<string, Tensor>()
  for (const [path, adapter] of adapters) {
    const layer = model.layers.get(path)
    if (!layer) throw new TrituneError('E_ADAPTER', `the model has no linear layer ${path}`)
    layer.adapter = adapter
    for (const [name, value] of Object.entries(adapter.parameters())) parameters.set(`${path}.${name}`, value)
  }
  return {
    kind,
    match,
    adapters,
    parameters,
    config,
    [Symbol.dispose]() {
      for (const [path, adapter] of adapters) {
        const layer = model.layers.get(path)
        if (layer?.adapter === adapter) layer.adapter = null
        adapter[Symbol.dispose]()
      }
    },
  }
}

/** Makes every weight of the model trainable (`adapter: none`), named as in the checkpoint. */
export function trainAllWeights(model: Model): Parameters {
  for (const weight of model.weights.values()) weight.requiresGrad = true
  return model.weights
}
