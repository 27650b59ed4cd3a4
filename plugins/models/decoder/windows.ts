/**
 * Which layers of a Qwen model slide: `layer_types` when there, else those from `max_window_layers` up.
 */
import { type ConfigJson, integerField } from '../_config.ts'
import { layerTypes } from './layer-types.ts'

export function qwenWindow(config: ConfigJson): (layer: number) => number {
  const types = layerTypes(config)
  if (config.use_sliding_window !== true || config.sliding_window == null) return () => 0
  const window = integerField(config, 'sliding_window')
  if (types) return (layer) => (types[layer] === 'sliding_attention' ? window : 0)
  const first = integerField(config, 'max_window_layers', 28)
  return (layer) => (layer >= first ? window : 0)
}
