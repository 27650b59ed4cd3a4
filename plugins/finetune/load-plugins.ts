/**
 * The modules under `plugins:` of a run's file: found, imported, and checked to be plugins.
 *
 * A module is a path (`./mine.ts`, from the working folder) or a package. Every export that is a plugin counts, by
 * whatever name it is exported. What a plugin provides is looked up by the host; nothing is registered here.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type CapabilityKind, didYouMean, type Plugin, TrituneError } from '../../core/mod.ts'

export interface LoadPluginsOptions {
  /** Where relative paths and packages are looked for; default: the working folder. */
  readonly cwd?: string
}

/** In the order of the list. Throws E_PLUGIN naming the module: not there, does not run, or exports no plugin. */
export async function loadPlugins(
  specifiers: readonly string[],
  { cwd = process.cwd() }: LoadPluginsOptions = {},
): Promise<Plugin[]> {
  const loaded = new Set<Plugin>()
  for (const specifier of specifiers) {
    for (const plugin of pluginsOf(specifier, await importModule(specifier, cwd))) loaded.add(plugin)
  }
  return [...loaded]
}

/** What the files of runs can use of a plugin; the other kinds are for TypeScript. */
const IN_FILES: { readonly [K in CapabilityKind]: boolean } = {
  adapter: true,
  model: true,
  dataset: false,
  device: false,
  monitor: false,
  optimizer: false,
  quantizer: false,
  strategy: false,
  transform: false,
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

async function importModule(specifier: string, cwd: string): Promise<Module> {
  const place = `plugins: ${specifier}`
  const target = moduleUrl(specifier, cwd, place)
  try {
    const module: Module = await import(target)
    return module
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrituneError('E_PLUGIN', `the module cannot be imported: ${reason}`, {
      place,
      remedy: isPath(specifier) ? undefined : 'install the package, or give the path of a file (./mine.ts)',
      cause,
    })
  }
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
  const place = `plugins: ${specifier}`
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
