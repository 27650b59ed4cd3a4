/**
 * Reads an adapter whose method came from a plugin: `attachAdapter` wrote its name and options into adapter_config.json.
 *
 * The tensors are those that the adapter itself names in `parameters()`. PEFT's own methods are read by `load.ts`.
 */
import type { Checkpoint } from '../../core/files/checkpoint.ts'
import {
  type Adapter,
  type AdapterDefinition,
  type Capabilities,
  didYouMean,
  expectShape,
  type Layer,
  type Model,
  TrituneError,
} from '../../core/mod.ts'
import { fillParameter } from './fill-parameter.ts'

/** Definitions by name: `host.find('adapter', …)` of each, or `{ [mine.name]: mine }`. */
export type AdapterDefinitions = Readonly<Record<string, Capabilities['adapter']>>

/** Under these keys stand the name of the definition and its options. */
export const NAME_KEY = 'tritune_adapter'
export const OPTIONS_KEY = 'tritune_options'

export interface CommunityFiles {
  readonly config: Readonly<Record<string, unknown>>
  readonly configFile: string
  readonly checkpoint: Checkpoint
  readonly weightsFile: string
  /** What stands before the module paths in the weights. */
  readonly prefix: string
}

/** The adapters of all layers that the file has tensors for. E_NAME when nobody provides the definition, else E_ADAPTER. */
export function loadCommunityAdapters(
  model: Model,
  { config, configFile, checkpoint, weightsFile, prefix }: CommunityFiles,
  definitions: AdapterDefinitions,
): Map<string, Adapter> {
  const name = String(config[NAME_KEY])
  if (!Object.hasOwn(definitions, name))
    throw new TrituneError('E_NAME', `the adapter is of the kind "${name}", which no plugin provides`, {
      place: configFile,
      remedy: `give the module that provides it (--plugin); ${didYouMean(name, Object.keys(definitions))}`,
    })
  const definition = definitions[name]
  const options = definition.options.validate(config[OPTIONS_KEY])
  const left = new Set(checkpoint.entries.keys())
  const adapters = new Map<string, Adapter>()
  try {
    for (const layer of model.layers.values()) {
      const start = `${prefix}${layer.path}.`
      if (![...left].some((tensor) => tensor.startsWith(start))) continue
      if (layer.adapter) throw new TrituneError('E_ADAPTER', `${layer.path} already has an adapter`)
      const adapter = create(definition, layer, options)
      adapters.set(layer.path, adapter)
      for (const [key, parameter] of Object.entries(adapter.parameters())) {
        const entry = checkpoint.entries.get(start + key)
        if (!entry)
          throw new TrituneError('E_ADAPTER', `there is no tensor "${start}${key}"`, { place: weightsFile })
        expectShape(`${weightsFile}: ${entry.name}`, entry.shape, parameter.shape)
        fillParameter(parameter, entry, checkpoint, weightsFile)
        left.delete(entry.name)
      }
    }
    const [unknown] = left
    if (unknown !== undefined)
      throw new TrituneError('E_ADAPTER', `tensor "${unknown}" fits no layer of the model`, {
        place: weightsFile,
        remedy: 'was the adapter trained on another model?',
      })
    if (adapters.size === 0)
      throw new TrituneError('E_ADAPTER', 'the adapter has no tensors', { place: weightsFile })
    return adapters
  } catch (error) {
    for (const adapter of adapters.values()) adapter[Symbol.dispose]()
    throw error
  }
}

function create(definition: AdapterDefinition<unknown>, layer: Layer, options: unknown): Adapter {
  return definition.create(layer, options, { seed: 0 })
}
