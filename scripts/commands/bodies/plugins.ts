/**
 * The body of ../plugins.ts, loaded only when there is something to do.
 */
import { dirname, resolve } from 'node:path'
import { createHost, type HostExplanation } from '../../../core/mod.ts'
import { type DeviceName, openDevice } from '../../../plugins/cuda/mod.ts'
import {
  atKeyAsync,
  builtInPlugins,
  loadPlugins,
  originsOf,
  placeInConfig,
  readFinetuneConfig,
} from '../../../plugins/finetune/mod.ts'

export interface ExplainPlugins {
  readonly file: { readonly path: string; readonly text: string } | null
  /** As after `--plugin`. */
  readonly modules: readonly string[]
  /** Whose ops are listed; null: none. */
  readonly device: DeviceName | null
}

/** What is provided, with the hash of the code of each plugin that is not built in. */
export interface PluginsExplanation extends HostExplanation {
  readonly integrity: Readonly<Record<string, string>>
}

export async function explainPlugins({ file, modules, device }: ExplainPlugins): Promise<PluginsExplanation> {
  const loaded = [...(file ? await pluginsOfFile(file) : []), ...(await loadPlugins(modules))]
  const opened = device === null ? undefined : openDevice(device).device
  using host = createHost({
    plugins: [...builtInPlugins, ...loaded.map(({ plugin }) => plugin)],
    origins: originsOf(loaded),
  })
  return {
    ...host.explain(opened ? { device: opened } : {}),
    integrity: Object.fromEntries(loaded.map(({ plugin: { name }, integrity }) => [name, integrity])),
  }
}

export function formatExplanation({ plugins, capabilities, ops, integrity }: PluginsExplanation): string {
  const rows = capabilities.map(({ kind, name, plugin }) => [`${kind}:${name}`, plugin])
  const named = plugins.map(({ name, version, place, why }) => [
    name,
    version ?? '',
    place === null ? why : `${place} (${why})`,
    integrity[name] ?? '',
  ])
  const runs = ops.map(({ name, by, why }) => [name, by, by === 'reference' ? why : ''])
  return [
    ...section('plugins', named),
    ...section('what they provide', rows),
    ...(runs.length > 0 ? section('ops', runs) : []),
  ].join('\n')
}

// ---- helpers ----

async function pluginsOfFile({
  path,
  text,
}: NonNullable<ExplainPlugins['file']>): ReturnType<typeof loadPlugins> {
  const config = readFinetuneConfig(text, path)
  try {
    return await atKeyAsync(['plugins'], () => loadPlugins(config.plugins, { from: dirname(resolve(path)) }))
  } catch (error) {
    throw placeInConfig(error, text, path)
  }
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const lines = rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i])).join('  ')}`.trimEnd())
  return [`${title}:`, ...lines, '']
}
