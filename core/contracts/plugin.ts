/**
 * A plugin is a plain object: what it provides is data, `setup` is only for live things. Importing one has no effect.
 */
import type { Capabilities, CapabilityId, CapabilityKind } from './capability.ts'
import type { Host } from './registry.ts'

export type Provides = { readonly [K in CapabilityKind]?: Readonly<Record<string, Capabilities[K]>> }

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

/** Identity: checks the type and keeps the names literal. */
export function definePlugin<const P extends Plugin>(plugin: P): P {
  return plugin
}
