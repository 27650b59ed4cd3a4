/**
 * The modules under `plugins:` of a run's file: found, imported, and checked to be plugins.
 *
 * A module is a path (`./mine.ts`, from the working folder) or a package. Every export that is a plugin counts, by
 * whatever name it is exported. What a plugin provides is looked up by the host; nothing is registered here.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type CapabilityKind, didYouMean, type Plugin, TrituneError } from '../../core/mod.ts'
import { describeImportError } from './import-error.ts'

export interface LoadPluginsOptions {
  /** Where relative paths and packages are looked for; default: the working folder. */
  readonly cwd?: string
}

/** A plugin, and where it came from. */
export interface LoadedPlugin {
  readonly plugin: Plugin
  /** Its own, or that of the package.json above its module; null when neither says. */
  readonly version: string | null
  /** The module as it was asked for. */
  readonly module: string
  /** The module, as a path where it is a file. */
  readonly place: string
}

/** In the order of the list. Throws E_PLUGIN naming the module: not there, does not run, or exports no plugin. */
export async function loadPlugins(
  specifiers: readonly string[],
  { cwd = process.cwd() }: LoadPluginsOptions = {},
): Promise<LoadedPlugin[]> {
  const loaded = new Map<Plugin, LoadedPlugin>()
  for (const specifier of specifiers) {
    const url = moduleUrl(specifier, cwd, specifier)
    const place = url.startsWith('file:') ? fileURLToPath(url) : url
    for (const plugin of pluginsOf(specifier, await importModule(specifier, url)))
      loaded.set(plugin, {
        plugin,
        module: specifier,
        place,
        version: plugin.version ?? versionAbove(place),
      })
  }
  return [...loaded.values()]
}

/** What the files of runs can use of a plugin; the other kinds are for TypeScript. */
const IN_FILES: { readonly [K in CapabilityKind]: boolean } = {
  adapter: true,
  model: true,
  dataset: true,
  device: false,
  monitor: true,
  objective: true,
  optimizer: true,
  quantizer: true,
  sampler: true,
  strategy: true,
  transform: true,
}

/** One note for each thing that a plugin provides and that a run's file has no way to ask for. */
export function unusedCapabilities(plugins: readonly Plugin[]): string[] {
  return plugins.flatMap(({ name, provides = {} }) =>
    kindsOf(provides).flatMap((kind) =>
      IN_FILES[kind]
        ? []
        : Object.keys(provides[kind] ?? {}).map(
            (item) => `${kind}:${item} of the plugin ${name} can be used from TypeScript only`,
          ),
    ),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Module = Readonly<Record<string, unknown>>

async function importModule(specifier: string, target: string): Promise<Module> {
  const place = specifier
  try {
    const module: Module = await import(target)
    return module
  } catch (cause) {
    throw new TrituneError(
      'E_PLUGIN',
      `the module cannot be imported: ${describeImportError(cause, target)}`,
      {
        place,
        remedy: isPath(specifier) ? undefined : 'install the package, or give the path of a file (./mine.ts)',
        cause,
      },
    )
  }
}

/** Of the nearest package.json above a file. */
function versionAbove(file: string): string | null {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json')
    if (!existsSync(path)) continue
    try {
      const content: unknown = JSON.parse(readFileSync(path, 'utf8'))
      const version: unknown =
        typeof content === 'object' && content !== null ? Reflect.get(content, 'version') : null
      return typeof version === 'string' ? version : null
    } catch {
      return null
    }
  }
  return null
}

function isPath(specifier: string): boolean {
  return specifier.startsWith('.') || isAbsolute(specifier)
}

function moduleUrl(specifier: string, cwd: string, place: string): string {
  if (specifier.startsWith('file:')) return specifier
  if (isPath(specifier)) {
    const file = resolve(cwd, specifier)
    if (existsSync(file)) return pathToFileURL(file).href
    throw new TrituneError('E_PLUGIN', `there is no file ${file}`, {
      place,
      remedy: 'give the whole name with its ending; paths start at the working folder',
    })
  }
  try {
    return pathToFileURL(createRequire(join(cwd, 'package.json')).resolve(specifier)).href
  } catch {
    // Not among the packages of the working folder: perhaps among those of tritune.
    return specifier
  }
}

function pluginsOf(specifier: string, module: Module): Plugin[] {
  const place = specifier
  const found = Object.values(module).filter(isPlugin)
  if (found.length === 0) {
    const exported = Object.entries(module).map(([name, value]) => `${name} (${describe(value)})`)
    throw new TrituneError(
      'E_PLUGIN',
      `no export is a plugin; found ${exported.length === 0 ? 'no exports' : exported.join(', ')}`,
      { place, remedy: "export const mine = definePlugin({ name: 'mine', provides: { … } })" },
    )
  }
  for (const { name, provides = {} } of found) {
    for (const kind of Object.keys(provides)) {
      if (Object.hasOwn(IN_FILES, kind)) continue
      throw new TrituneError('E_PLUGIN', `the plugin ${name} provides "${kind}", which is no kind of thing`, {
        place,
        remedy: didYouMean(kind, Object.keys(IN_FILES)),
      })
    }
  }
  return found
}

/** An adapter definition has a name too; a plugin says what it provides or starts. */
function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null) return false
  const { name, provides, setup }: Module = { ...value }
  if (typeof name !== 'string' || name === '') return false
  return (typeof provides === 'object' && provides !== null) || typeof setup === 'function'
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value
  return `an object with ${Object.keys(value).join(', ') || 'nothing'}`
}

function kindsOf(provides: object): CapabilityKind[] {
  return Object.keys(provides) as CapabilityKind[]
}
