/**
 * The answer of `host.explain()`: what is provided by whom, from where and why; and who runs each op on a device.
 */
import type { CapabilityKind } from './contracts/capability.ts'
import type { Device, OpKey } from './contracts/device.ts'
import type {
  ExplainedCapability,
  ExplainedOp,
  ExplainedPlugin,
  HostExplanation,
  Plugin,
  PluginOrigin,
} from './contracts/plugin.ts'
import * as exportsOfOps from './ops/mod.ts'

export function explainHost(
  plugins: readonly Plugin[],
  origins: ReadonlyMap<Plugin, PluginOrigin>,
  device: Device | undefined,
): HostExplanation {
  const explained = plugins.map((plugin) => ({ plugin, origin: originOf(plugin, origins.get(plugin)) }))
  const capabilities = explained.flatMap(({ plugin: { provides = {} }, origin }) =>
    (Object.keys(provides) as CapabilityKind[]).flatMap((kind) =>
      Object.keys(provides[kind] ?? {}).map((name): ExplainedCapability => {
        const { name: plugin, place, why } = origin
        return { kind, name, plugin, place, why }
      }),
    ),
  )
  return {
    plugins: explained.map(({ origin }) => origin),
    capabilities: capabilities.toSorted((a, b) => compare(`${a.kind}:${a.name}`, `${b.kind}:${b.name}`)),
    ops: device ? explainOps(device) : [],
  }
}

/** Whose implementation each op of core has on a device, whatever its inputs. */
function explainOps(device: Device): ExplainedOp[] {
  const exported: readonly unknown[] = Object.values(exportsOfOps)
  return exported
    .filter(isOp)
    .map((op): ExplainedOp => {
      const { name } = op
      if (device.implementationOf(op))
        return { name, by: device.name, why: `${device.name} implements it, for the inputs that it supports` }
      return { name, by: 'reference', why: `${device.name} has no implementation: slow` }
    })
    .toSorted((a, b) => compare(a.name, b.name))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isOp(value: unknown): value is OpKey {
  return typeof value === 'object' && value !== null && 'name' in value && 'reference' in value
}

function originOf({ name, version }: Plugin, origin: PluginOrigin | undefined): ExplainedPlugin {
  if (!origin) return { name, version: version ?? null, place: null, why: 'built in, or given as a value' }
  return { name, ...origin }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}
