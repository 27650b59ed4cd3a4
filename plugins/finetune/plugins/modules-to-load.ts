/**
 * The modules that have to be loaded again to use what a run has made: those of its adapter, of its model, and of what these require.
 * What only trains (optimizers, objectives, datasets…) is not needed.
 */
import type { CapabilityId } from '../../../core/mod.ts'
import type { LoadedPlugin } from './load-plugins.ts'

/** What a run has made, as far as plugins can have a part in it. */
export interface Made {
  /** null: whole weights. */
  readonly adapter: string | null
  readonly modelType: string
}

/** The modules that have to be loaded again to use what a run made, as its file names them and in its order. */
export function modulesToLoad(plugins: readonly LoadedPlugin[], { adapter, modelType }: Made): string[] {
  const needed = new Set<LoadedPlugin>()
  const wanted: CapabilityId[] = [
    `model:${modelType}`,
    ...(adapter === null ? [] : [`adapter:${adapter}` as const]),
  ]
  for (const id of wanted) {
    const provider = plugins.find((loaded) => !needed.has(loaded) && isProvider(loaded, id))
    if (!provider) continue
    needed.add(provider)
    wanted.push(...(provider.plugin.requires ?? []))
  }
  return [...new Set(plugins.filter((loaded) => needed.has(loaded)).map(({ module }) => module))]
}

function isProvider({ plugin: { provides = {} } }: LoadedPlugin, id: CapabilityId): boolean {
  const end = id.indexOf(':')
  return Object.entries(provides).some(
    ([kind, named]) => kind === id.slice(0, end) && Object.hasOwn(named, id.slice(end + 1)),
  )
}
