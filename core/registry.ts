/**
 * Makes a host from plugins: who provides what, duplicates and requirements, and the live things of `setup`.
 */
import { Disposables } from './disposables.ts'
import type { Capabilities, CapabilityKind } from './contracts/capability.ts'
import type { Device } from './contracts/device.ts'
import type { Host, HostExplanation, Plugin, PluginList, PluginOrigin } from './contracts/plugin.ts'
import { expectSameCore } from './copies.ts'
import { didYouMean, TrituneError } from './errors.ts'
import { explainHost } from './explain-host.ts'
import { explain, type Op, type OpInputs, type OpOutputs } from './tensor/op.ts'

interface Entry {
  readonly plugin: string
  readonly value: unknown
}

/** What `createHost()` makes a host of. */
export interface HostOptions<L extends PluginList> {
  readonly plugins: L
  /** Where they came from, as far as it is known: `host.explain()` says it. */
  readonly origins?: ReadonlyMap<Plugin, PluginOrigin>
}

/**
 * Checks duplicates and requirements (E_PLUGIN), then runs each `setup`; when one fails, what was started before is
 * disposed. Falsy entries are skipped, and a plugin that is there twice counts once.
 *
 * @example
 * ```ts
 * import { createHost } from 'tritune/core'
 * import { cpu } from 'tritune/plugins/cpu'
 * import { peft } from 'tritune/plugins/peft'
 *
 * using host = createHost({ plugins: [cpu, peft] })
 * console.log(host.names('adapter').includes('lora'), host.get('device', 'cpu').name) // → true cpu
 * ```
 */
export function createHost<const L extends PluginList>({ plugins, origins }: HostOptions<L>): Host<L> {
  const used = [...new Set(plugins.filter((plugin): plugin is Plugin => Boolean(plugin)))]
  const entries = new Map<string, Entry>()
  for (const plugin of used) expectSameCore(`the plugin ${plugin.name}`, plugin)
  for (const [i, { name }] of used.entries()) {
    if (used.findIndex((other) => other.name === name) === i) continue
    throw new TrituneError('E_PLUGIN', `two plugins are called "${name}"`, {
      remedy: 'leave one of them out, or rename the one that is yours',
    })
  }
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
  function explainThis(options?: { readonly device?: Device }): HostExplanation
  function explainThis<I extends OpInputs, P, R extends OpOutputs>(
    op: Op<I, P, R>,
    inputs: I,
    params: P,
  ): string[]
  function explainThis<I extends OpInputs, P, R extends OpOutputs>(
    first: Op<I, P, R> | { readonly device?: Device } = {},
    ...rest: readonly [] | readonly [I, P]
  ): HostExplanation | string[] {
    if ('reference' in first && rest.length === 2) return explain(first, ...rest)
    return explainHost(used, origins ?? new Map(), 'device' in first ? first.device : undefined)
  }
  const live = new Disposables()
  const host: Host<L> = {
    plugins: used,
    get: find,
    find,
    names,
    all: (kind) => Object.fromEntries(names(kind).map((name) => [name, find(kind, name)])),
    explain: explainThis,
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
