/**
 * The modules under `plugins:` of a run's file: found, imported, and checked to be plugins.
 *
 * A module is a path or a package (`plugin-specifier.ts`), looked for from the folder of the file, then from the working folder; a package also
 * beside tritune. Every export that is a plugin counts, by whatever name it is exported. What a plugin provides is looked up by the host;
 * nothing is registered here, and nothing is installed.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expectSameCore } from '../../../core/copies.ts'
import {
  type CapabilityKind,
  didYouMean,
  type Plugin,
  type PluginOrigin,
  TrituneError,
} from '../../../core/mod.ts'
import { installCommand } from '../../../core/install-command.ts'
import { isCheckout } from '../../../core/invocation.ts'
import { describeImportError } from './import-error.ts'
import { moduleIntegrity, packageIntegrity } from './plugin-integrity.ts'
import { entryOf, expectFitsTritune, findPackage, OWN_FOLDER, packageAbove } from './plugin-package.ts'
import { parsePluginSpecifier } from './plugin-specifier.ts'

/** Where `loadPlugins()` looks for paths and packages. */
export interface LoadPluginsOptions {
  /** Where paths and packages are looked for first: the folder of the run's file. */
  readonly from?: string
  /** Where they are looked for then; default: the working folder. */
  readonly cwd?: string
}

/** A plugin that a run's file names, with where it came from: module, package, version, place, hash. */
export interface LoadedPlugin {
  readonly plugin: Plugin
  /** Its own, or that of the package.json above its module; null when neither says. */
  readonly version: string | null
  /** The module as it was asked for. */
  readonly module: string
  /** The module, as a path where it is a file. */
  readonly place: string
  /** The package that was asked for by name; null: a path was. */
  readonly package: string | null
  /** SHA-256 of its code: see `plugin-integrity.ts`. */
  readonly integrity: string
}

/**
 * In the order of the list. Throws E_PLUGIN naming the module: not there, not installed, of a version that does not fit, does not run, exports
 * no plugin, brings a second copy of tritune, or has the name of another.
 *
 * @example
 * ```ts
 * import { createHost } from 'tritune/core'
 * import { loadPlugins } from 'tritune/plugins/finetune'
 *
 * const loaded = await loadPlugins(['./vector-scale.ts']) // runs the module
 * using host = createHost({ plugins: loaded.map(({ plugin }) => plugin) })
 * console.log(host.names('adapter')) // → [ 'vector-scale' ]
 * ```
 */
export async function loadPlugins(
  specifiers: readonly string[],
  { cwd = process.cwd(), from = cwd }: LoadPluginsOptions = {},
): Promise<LoadedPlugin[]> {
  const loaded = new Map<Plugin, LoadedPlugin>()
  for (const specifier of specifiers) {
    const located = locate(specifier, [...new Set([from, cwd])])
    const { file: place } = located
    const above = located.package ?? packageAbove(place)
    if (above) expectFitsTritune(above, specifier)
    const plugins = pluginsOf(specifier, place, await importModule(specifier, located))
    const integrity = located.package ? packageIntegrity(located.package.folder) : moduleIntegrity(place)
    for (const plugin of plugins) {
      loaded.set(plugin, {
        plugin,
        module: specifier,
        place,
        package: located.package?.name ?? null,
        version: plugin.version ?? above?.version ?? null,
        integrity,
      })
    }
  }
  expectOwnNames([...loaded.values()])
  return [...loaded.values()]
}

/** For `createHost`, so that `host.explain()` can say it. */
export function originsOf(plugins: readonly LoadedPlugin[]): ReadonlyMap<Plugin, PluginOrigin> {
  return new Map(
    plugins.map(({ plugin, place, version, module }) => [
      plugin,
      { place, version, why: `plugins: ${module}` },
    ]),
  )
}

/** E_PLUGIN when two of them have one name: what they provide could not be told apart in messages and files. */
export function expectOwnNames(plugins: readonly LoadedPlugin[]): void {
  for (const [i, { plugin, module, place }] of plugins.entries()) {
    const before = plugins.slice(0, i).find((other) => other.plugin.name === plugin.name)
    if (before)
      throw new TrituneError(
        'E_PLUGIN',
        `two plugins are called "${plugin.name}": ${before.place} and ${place}`,
        {
          place: module,
          remedy: 'leave one of them out, or rename the one that is yours',
        },
      )
  }
}

/** The kinds of things that a plugin can provide. */
const KINDS: { readonly [K in CapabilityKind]: true } = {
  adapter: true,
  model: true,
  dataset: true,
  device: true,
  monitor: true,
  objective: true,
  optimizer: true,
  quantizer: true,
  sampler: true,
  strategy: true,
  transform: true,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Module = Readonly<Record<string, unknown>>

async function importModule(specifier: string, { file, package: asked }: Located): Promise<Module> {
  const place = specifier
  const target = pathToFileURL(file).href
  try {
    const module: Module = await import(target)
    return module
  } catch (cause) {
    throw new TrituneError(
      'E_PLUGIN',
      `the module cannot be imported: ${describeImportError(cause, target)}`,
      {
        place,
        remedy: missingPackage(cause) ?? mendRemedy(asked?.name ?? null),
        cause,
      },
    )
  }
}

/** What is wrong is in code of somebody else where a package was asked for. */
function mendRemedy(package_: string | null): string {
  return package_ === null
    ? 'mend the module, or leave it out of plugins:'
    : `install another version of ${package_}, tell its authors, or leave it out of plugins:`
}

/** A package that the module itself needs and that is not there. */
function missingPackage(cause: unknown): string | undefined {
  const message = cause instanceof Error ? cause.message : String(cause)
  const name = /Cannot find (?:package|module) ["']((?:@[\w.-]+\/)?[\w-][\w.-]*)/.exec(message)?.[1]
  if (name === undefined) return undefined
  if (name === 'tritune' && isCheckout())
    return `it does not find this checkout: \`bun link\` in ${fileURLToPath(new URL('../../..', import.meta.url))}, then \`bun link tritune\` beside the plugin`
  return `it needs a package that is not installed: ${installCommand(name)}`
}

interface Located {
  readonly file: string
  /** Where a package was asked for. */
  readonly package: ReturnType<typeof findPackage> | null
}

function locate(specifier: string, folders: readonly string[]): Located {
  const asked = parsePluginSpecifier(specifier)
  if (asked.kind === 'package') {
    const found = findPackage(asked, [...folders, OWN_FOLDER], specifier)
    return { file: entryOf(found, asked.entry, specifier), package: found }
  }
  const path = asked.path.startsWith('file:') ? fileURLToPath(asked.path) : asked.path
  const candidates = folders.map((folder) => resolve(folder, path))
  const file = candidates.find((candidate) => existsSync(candidate))
  if (file !== undefined) {
    const real = realpathSync(file)
    if (statSync(real).isDirectory()) throw isFolder(real, specifier)
    return { file: real, package: null }
  }
  throw new TrituneError('E_PLUGIN', `there is no file ${[...new Set(candidates)].join(' or ')}`, {
    place: specifier,
    remedy:
      'give the whole name with its ending; paths start at the folder of the file, then at the working folder',
  })
}

/** Runtimes import files. Of a package the file to name is known. */
function isFolder(folder: string, specifier: string): TrituneError {
  const found = existsSync(join(folder, 'package.json')) ? packageAbove(join(folder, 'package.json')) : null
  return new TrituneError('E_PLUGIN', `${folder} is a folder, and a path names a file`, {
    place: specifier,
    remedy:
      found === null
        ? 'name the file in it that exports the plugin'
        : `name its file ${entryOf(found, '.', specifier)}, or install it and name the package ${found.name}`,
  })
}

function pluginsOf(specifier: string, file: string, module: Module): Plugin[] {
  const place = specifier
  const found = Object.values(module).filter(isPlugin)
  if (found.length === 0) {
    const exported = Object.entries(module).map(([name, value]) => `${name} (${describe(value)})`)
    throw new TrituneError(
      'E_PLUGIN',
      `no export is a plugin; found ${exported.length === 0 ? 'no exports' : exported.join(', ')} (${file})`,
      {
        place,
        remedy: "a plugin's module has: export const mine = definePlugin({ name: 'mine', provides: { … } })",
      },
    )
  }
  for (const plugin of found) {
    const { name, provides = {} } = plugin
    expectSameCore(`the plugin ${name}`, plugin, place)
    for (const kind of Object.keys(provides)) {
      if (Object.hasOwn(KINDS, kind)) continue
      throw new TrituneError('E_PLUGIN', `the plugin ${name} provides "${kind}", which is no kind of thing`, {
        place,
        remedy: didYouMean(kind, Object.keys(KINDS)),
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
