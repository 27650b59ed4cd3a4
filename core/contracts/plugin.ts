/**
 * A plugin is a plain object: what it provides is data, `setup` is only for live things. Importing one has no effect.
 *
 * A host is the set of plugins in use and the names that they provide. Names are typed from the list of plugins:
 * `host.get('adapter', 'lorra')` does not compile, and from YAML it is an E_NAME that offers the nearest.
 * `createHost` is in core/registry.ts.
 */
import type { Capabilities, CapabilityId, CapabilityKind } from './capability.ts'
import { markCore } from '../copies.ts'
import type { Op, OpInputs, OpOutputs } from '../tensor/op.ts'
import type { Device } from './device.ts'

/** What a plugin provides: kind → name → definition. */
export type Provides = { readonly [K in CapabilityKind]?: Readonly<Record<string, Capabilities[K]>> }

/**
 * A plugin: a plain object with a name and what it provides. Make it with `definePlugin()`, which keeps the names as
 * types.
 */
export interface Plugin {
  readonly name: string
  /** Default: that of the package.json above its module. */
  readonly version?: string
  /** Capabilities that another plugin of the host must provide. */
  readonly requires?: readonly CapabilityId[]
  readonly provides?: Provides
  /** Starts live things (servers, timers); what it returns is disposed with the host. */
  setup?(host: Host): Disposable | undefined
}

/**
 * Identity: checks the type and keeps the names literal. It notes which copy of tritune the plugin was written with.
 *
 * @example
 * ```ts
 * import { definePlugin, type MonitorDefinition, defineOptions } from 'tritune/core'
 *
 * const counter: MonitorDefinition<object> = {
 *   name: 'counter',
 *   options: defineOptions({}),
 *   create: () => ({ onEvent: (event) => console.log(event.type) }),
 * }
 * export const plugin = definePlugin({ name: 'counter', provides: { monitor: { counter } } })
 * ```
 */
export function definePlugin<const P extends Plugin>(plugin: P): P {
  markCore(plugin)
  return plugin
}

type Falsy = false | null | undefined

/** Plugins of a host; falsy entries are left out, so that `condition && plugin` can stand in a list. */
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

/**
 * The plugins in use, and what they provide by name. Made by `createHost()`; disposing it ends what `setup` started.
 */
export interface Host<L extends PluginList = PluginList> extends Disposable {
  readonly plugins: readonly Plugin[]
  get<K extends CapabilityKind>(kind: K, name: NamesOf<L, K>): Capabilities[K]
  /** For names that come from files: E_NAME with the nearest names when nobody provides it. */
  find<K extends CapabilityKind>(kind: K, name: string): Capabilities[K]
  names(kind: CapabilityKind): string[]
  /** Everything of a kind, by name. */
  all<K extends CapabilityKind>(kind: K): Readonly<Record<string, Capabilities[K]>>
  /** What is provided by whom, from where and why; with a device also who runs each op on it. */
  explain(options?: { readonly device?: Device }): HostExplanation
  /** Which device would run the op on these inputs, and why not another. */
  explain<I extends OpInputs, P, R extends OpOutputs>(op: Op<I, P, R>, inputs: I, params: P): string[]
}

/** Where a plugin came from, for whoever knows: the loader of a run's file. */
export interface PluginOrigin {
  /** Path of its module. */
  readonly place: string
  readonly version: string | null
  /** Who asked for it: `plugins: ./mine.ts`. */
  readonly why: string
}

/** What `host.explain()` tells: which plugins there are, what each provides, and who runs each op. */
export interface HostExplanation {
  readonly plugins: readonly ExplainedPlugin[]
  /** By kind, then name. */
  readonly capabilities: readonly ExplainedCapability[]
  /** Without a device: none. */
  readonly ops: readonly ExplainedOp[]
}

/** One plugin of a host: where it came from and why it is there. */
export interface ExplainedPlugin {
  readonly name: string
  readonly version: string | null
  /** Path of its module; null: it came as a value. */
  readonly place: string | null
  readonly why: string
}

/** One thing that a host provides, and by whom. */
export interface ExplainedCapability {
  readonly kind: CapabilityKind
  readonly name: string
  /** Name of the plugin that provides it. */
  readonly plugin: string
  readonly place: string | null
  readonly why: string
}

/** Who runs one op on the device that was asked about. */
export interface ExplainedOp {
  readonly name: string
  /** Name of the device whose implementation is asked first, or `reference`. */
  readonly by: string
  readonly why: string
}
