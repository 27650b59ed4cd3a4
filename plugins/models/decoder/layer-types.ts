/**
 * Which layers attend to a window and which to all, as `layer_types` or a pattern in config.json says.
 */
import { showValue, TrituneError } from '../../../core/mod.ts'
import { type ConfigJson, integerField, MOST_LAYERS } from '../_config.ts'

/** Whether a layer slides: by `layer_types`, else all but each `sliding_window_pattern`-th. */
export function slidingLayers(
  config: ConfigJson,
  { pattern }: { readonly pattern: number },
): (layer: number) => boolean {
  const types = layerTypes(config)
  if (types) return (layer) => types[layer] === 'sliding_attention'
  const each = integerField(config, 'sliding_window_pattern', pattern)
  return (layer) => (layer + 1) % each !== 0
}

/** `layer_types`, one for each layer; null: it is not there. E_MODEL for what is no such list, E_UNSUPPORTED for a type that is not there. */
export function layerTypes(config: ConfigJson): readonly string[] | null {
  const value: unknown = config.layer_types ?? null
  if (value === null) return null
  const layers = integerField(config, 'num_hidden_layers', undefined, { max: MOST_LAYERS })
  if (Array.isArray(value) && value.length >= layers && value.every((one) => typeof one === 'string')) {
    const other = value.findIndex((one) => !isType(one))
    if (other === -1) return value
    throw new TrituneError(
      'E_UNSUPPORTED',
      `config.json: layer_types: layer ${other} is of type "${value[other]}", which is not supported`,
      { remedy: 'supported: full_attention, sliding_attention' },
    )
  }
  throw new TrituneError(
    'E_MODEL',
    `config.json: layer_types: expected ${layers} of full_attention and sliding_attention, got ${showValue(value)}`,
    { remedy: 'check the file against the one of the original model' },
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isType(type: string): boolean {
  return type === 'full_attention' || type === 'sliding_attention'
}
