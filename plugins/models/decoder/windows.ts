/**
 * Which layers of a Qwen model slide: `layer_types` when there, else those from `max_window_layers` up.
 */
import { type ConfigJson, integerField } from '../_config.ts'

export function qwenWindow(config: ConfigJson): (layer: number) => number {
  if (config.use_sliding_window !== true || config.sliding_window == null) return () => 0
  const window = integerField(config, 'sliding_window')
  const types: unknown = config.layer_types
  if (Array.isArray(types)) return (layer) => (types[layer] === 'sliding_attention' ? window : 0)
  const first = integerField(config, 'max_window_layers', 28)
  return (layer) => (layer >= first ? window : 0)
}
