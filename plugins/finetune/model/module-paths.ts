/**
 * The names of a model's layers, without its weights.
 */
import type { ModelDefinition } from '../../../core/mod.ts'
import { loadModel } from '../../models/mod.ts'
import { shapeDevice } from '../memory/shape-device.ts'

/**
 * Module paths of the layers of a folder or a .gguf file, by the headers of its weights. `models`: more than the built-in ones. Throws as
 * `loadModel()`.
 *
 * @example
 * ```ts
 * import { modulePaths } from 'tritune/plugins/finetune'
 *
 * console.log(modulePaths('my-model').includes('model.layers.0.mlp.down_proj')) // → true
 * ```
 */
export function modulePaths(
  path: string,
  models?: Readonly<Record<string, ModelDefinition>>,
): readonly string[] {
  const device = shapeDevice({ kind: 'cpu', name: 'cpu' })
  using model = loadModel(path, { device, ...(models ? { models } : {}) })
  return [...model.layers.keys()]
}
