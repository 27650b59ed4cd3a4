/**
 * Makes a host from plugins: who provides what, duplicates and requirements, and the live things of `setup`.
 */
import { Disposables } from './disposables.ts'
import type { Capabilities, CapabilityKind } from './contracts/capability.ts'
import type { Host, Plugin, PluginList } from './contracts/plugin.ts'
import { expectSameCore } from './copies.ts'
import { didYouMean, TrituneError } from './errors.ts'
import { explain } from './tensor/op.ts'

interface Entry {
  readonly plugin: string
  readonly value: unknown
}

/**
 * Checks duplicates and requirements (E_PLUGIN), then runs each `setup`; when one fails, what was started before is
 * disposed. Falsy entries are skipped.
 */
export function createHost<const L extends PluginList>({ plugins }: { readonly plugins: L }): Host<L> {
  const used = plugins.filter((plugin): plugin is Plugin => Boolean(plugin))
  const entries = new Map<string, Entry>()
  for (const plugin of used) expectSameCore(`the plugin ${plugin.name}`, plugin)
  for (const plugin of used) {
    for (const [kind, named] of Object.entries(plugin.provides ?? {})) {
      for (const [name, value] of Object.entries(named ?? {})) {
        const id = `${kind}:${name}`
        const before = entries.get(id)
        if (before)
          throw new TrituneError(
            'E_PLUGIN',
            `${id} is provided by both ${before.plugin} and ${plugin.name}`,
            { remedy: 'leave one of them out' },
          )
        entries.set(id, { plugin: plugin.name, value })
      }
    }
  }
  for (const plugin of used) {
    for (const id of plugin.requires ?? []) {
      if (!entries.has(id)) {
        throw new TrituneError('E_PLUGIN', `plugin ${plugin.name} needs ${id}, which no plugin provides`, {
          remedy: `installed: ${used.map((p) => p.name).join(', ')}`,
        })
      }
    }
  }
  const find = <K extends CapabilityKind>(kind: K, name: string): Capabilities[K] => {
    const entry = entries.get(`${kind}:${name}`)
    if (!entry)
      throw new TrituneError('E_NAME', `there is no ${kind} "${name}"`, {
        remedy: didYouMean(name, names(kind)),
      })
    return entry.value as Capabilities[K]
  }
  const names = (kind: CapabilityKind): string[] =>
    [...entries.keys()].filter((id) => id.startsWith(`${kind}:`)).map((id) => id.slice(kind.length + 1))
  const live = new Disposables()
  const host: Host<L> = {
    plugins: used,
    get: find,
    find,
    names,
    all: (kind) => Object.fromEntries(names(kind).map((name) => [name, find(kind, name)])),
    explain,
    [Symbol.dispose]: () => live.dispose(),
  }
  try {
    for (const plugin of used) {
      const started = plugin.setup?.(host)
      if (started) live.use(started)
    }
  } catch (error) {
    live.dispose()
    throw error
  }
  return host
}
