/**
 * The layers that any of several adapters is on, as targets of one adapter.
 */
import type { Model } from '../../../core/mod.ts'
import type { AttachedAdapter } from '../attach/attached-adapter.ts'
import { layersOfTargets } from '../attach/targets.ts'

/** Lists of names are joined where that gives these layers and no others; else the layers are named one by one. */
export function jointTargets(
  model: Model,
  adapters: readonly AttachedAdapter[],
): { readonly targetModules: readonly string[] } {
  const wanted = new Set(adapters.flatMap(({ match }) => match.matched))
  const paths = [...model.layers.keys()].filter((path) => wanted.has(path))
  const lists = adapters.map(({ config }) => config['target_modules'])
  if (!lists.every(isNames)) return { targetModules: paths }
  const targetModules = [...new Set(lists.flat())]
  const { matched } = layersOfTargets(model, { targetModules })
  return { targetModules: matched.join() === paths.join() ? targetModules : paths }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}
