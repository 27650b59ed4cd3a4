/**
 * The host: the set of plugins in use and the names that they provide. Names are typed from the list of plugins:
 * `host.get('adapter', 'lorra')` does not compile, and from YAML it is an E_NAME that offers the nearest.
 */
import type { Capabilities, CapabilityKind } from './capability.ts'
import { didYouMean, TrituneError } from '../errors.ts'
import { explain, type Op, type OpInputs, type OpOutputs } from '../tensor/op.ts'
import type { Plugin } from './plugin.ts'

type Falsy = false | null | undefined
export type PluginList = readonly (Plugin | Falsy)[]

/**
 * Names of kind K that the plugins of list L provide. A plugin that is typed as `Plugin & { provides: … }` also has the
 * index signature of Provides, under which every name is legal; only the names that are spelled out count.
 */
export type NamesOf<L extends PluginList, K extends CapabilityKind> = L[number] extends infer P
  ? P extends { readonly provides: infer S }
    ? K extends keyof S
      ? SpelledOut<NonNullable<S[K]>>
      : never
    : never
  : never

type SpelledOut<T> = keyof { [N in keyof T as string extends N ? never : N]: true } & string

export interface Host<L extends PluginList = PluginList> extends Disposable {
  readonly plugins: readonly Plugin[]
  get<K extends CapabilityKind>(kind: K, name: NamesOf<L, K>): Capabilities[K]
  /** For names that come from files: E_NAME with the nearest names when nobody provides it. */
  find<K extends CapabilityKind>(kind: K, name: string): Capabilities[K]
  names(kind: CapabilityKind): string[]
  /** Everything of a kind, by name. */
  all<K extends CapabilityKind>(kind: K): Readonly<Record<string, Capabilities[K]>>
  /** Which device would run the op on these inputs, and why not another. */
  explain<I extends OpInputs, P, R extends OpOutputs>(op: Op<I, P, R>, inputs: I, params: P): string[]
}

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
  const live = new DisposableStack()
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
