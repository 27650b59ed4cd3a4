/**
 * What a run tells and keeps of its plugins: a notice when one is first used, and one when its code is not that of the checkpoint.
 */
import { basename, isAbsolute } from 'node:path'
import type { PluginRecord } from '../../peft/mod.ts'
import type { LoadedPlugin } from './load-plugins.ts'
import { type Made, modulesToLoad } from './modules-to-load.ts'

export function recordOf({
  plugin,
  version,
  package: package_,
  module,
  integrity,
}: LoadedPlugin): PluginRecord {
  const provides = Object.entries(plugin.provides ?? {}).flatMap(([kind, named]) =>
    Object.keys(named ?? {}).map((name) => `${kind}:${name}`),
  )
  return { name: plugin.name, version, package: package_, module, integrity, provides }
}

/** Of the plugins without which what was made cannot be used. It goes with what was made, so no path of this machine is told. */
export function recordsToUse(plugins: readonly LoadedPlugin[], made: Made): PluginRecord[] {
  const modules = new Set(modulesToLoad(plugins, made))
  return plugins
    .filter(({ module }) => modules.has(module))
    .map(recordOf)
    .map((record) => ({ ...record, module: withoutPlace(record.module) }))
}

function withoutPlace(module: string): string {
  if (module.startsWith('file:')) return `./${basename(new URL(module).pathname)}`
  return isAbsolute(module) ? `./${basename(module)}` : module
}

/** One line for each: the code that a file brings into the program, by place and hash. */
export function firstUseNotes(plugins: readonly LoadedPlugin[]): string[] {
  return plugins.map(
    ({ plugin, version, place, integrity }) =>
      `the plugin ${plugin.name} ${version ?? '(no version)'} is code that runs in this program: ${place} (${integrity})`,
  )
}

/** Since the checkpoint: a plugin whose code changed, or that is new. Settings that name other modules are refused before. */
export function changeNotes(plugins: readonly LoadedPlugin[], saved: readonly SavedPlugin[]): string[] {
  return plugins.flatMap(({ plugin: { name }, version, place, integrity }) => {
    const before = saved.find((other) => other.name === name)
    if (!before)
      return [`the plugin ${name} was not there when the checkpoint was made: ${place} (${integrity})`]
    if (before.integrity === integrity) return []
    const versions =
      before.version === version ? `still ${version ?? 'without version'}` : `${before.version} → ${version}`
    return [
      `the plugin ${name} changed since the checkpoint (${versions}), so the run may not go on to the same bits: ${place}, ${before.integrity} → ${integrity}`,
    ]
  })
}

/** What a checkpoint keeps of a plugin. */
export type SavedPlugin = Pick<PluginRecord, 'name' | 'version' | 'module' | 'integrity'>

export function savedPlugins(plugins: readonly LoadedPlugin[]): SavedPlugin[] {
  return plugins.map(({ plugin: { name }, version, module, integrity }) => ({
    name,
    version,
    module,
    integrity,
  }))
}
