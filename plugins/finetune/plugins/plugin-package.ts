/**
 * Where a plugin's package is installed, which version it is, and whether that fits the file of the run and this tritune.
 *
 * Looked for as every runtime does, in node_modules from a folder upwards, and never fetched: Bun alone would install at import what is
 * not there.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exports as exportsOf, legacy } from 'resolve.exports'
import satisfies from 'semver/functions/satisfies.js'
import validRange from 'semver/ranges/valid.js'
import { TrituneError } from '../../../core/mod.ts'
import { installCommand } from '../../../core/install-command.ts'
import type { PackageSpecifier } from './plugin-specifier.ts'

export interface InstalledPackage {
  readonly name: string | null
  readonly version: string | null
  /** Real path: links are followed. */
  readonly folder: string
  readonly manifest: Manifest
}

export type Manifest = Readonly<Record<string, unknown>>

/** The package of a specifier, from the first of the folders that has it. E_PLUGIN: not installed, or not in the range asked for. */
export function findPackage(
  { name, range }: PackageSpecifier,
  folders: readonly string[],
  place: string,
): InstalledPackage {
  const wanted = range === null ? name : `${name}@${range}`
  const starts = folders.flatMap((start) => above(resolve(start)))
  const folder =
    starts
      .map((at) => join(at, 'node_modules', name))
      .find((candidate) => existsSync(join(candidate, 'package.json'))) ?? itself(name, folders[0])
  if (folder === undefined)
    throw new TrituneError('E_PLUGIN', `the package ${name} is not installed`, {
      place,
      remedy: `${installCommand(wanted)}  (in ${resolve(folders[0])}${onDeno() ? ', with "nodeModulesDir": "auto" in deno.json' : ''})`,
    })
  const found = readPackage(realpathSync(folder))
  if (range !== null && !fits(found.version, range))
    throw new TrituneError(
      'E_PLUGIN',
      `${name} ${found.version ?? '(no version)'} is installed, and the file asks for ${range}`,
      {
        place,
        remedy: `${installCommand(wanted)}, or change the range`,
      },
    )
  return found
}

/** The file of a part of a package, by its `exports`. */
export function entryOf({ folder, manifest, name }: InstalledPackage, entry: string, place: string): string {
  const file = targetOf(manifest, entry)
  const path = file === null ? null : resolve(folder, file)
  if (path !== null && existsSync(path)) return path
  const what = entry === '.' ? `the package ${name}` : `${name}${entry.slice(1)}`
  throw new TrituneError(
    'E_PLUGIN',
    path === null
      ? `${what} is not among the "exports" of its package.json`
      : `${what} points to a file that is not there: ${path}`,
    {
      place,
      remedy:
        path === null
          ? 'name a part that it exports'
          : 'build the package (its script "build"), or install it again',
    },
  )
}

/** The package that a file belongs to; null: none. */
export function packageAbove(file: string): InstalledPackage | null {
  const folder = above(dirname(file)).find((at) => existsSync(join(at, 'package.json')))
  return folder === undefined ? null : readPackage(folder)
}

/** E_PLUGIN when the package says that it needs another version of tritune. */
export function expectFitsTritune({ name, version, manifest }: InstalledPackage, place: string): void {
  const range = [manifest.peerDependencies, manifest.dependencies]
    .map((list) => (isRecord(list) ? list.tritune : undefined))
    .find((value) => value !== undefined)
  // Links of a workspace name no version.
  if (typeof range !== 'string' || /^(file|link|workspace|portal|npm|git|https?)[:+]/.test(range)) return
  const own = trituneVersion()
  if (validRange(range) !== null && fits(own, range)) return
  throw new TrituneError(
    'E_PLUGIN',
    `${name ?? 'the plugin'} ${version ?? ''} is made for tritune ${range}, and this is ${own}`.replace(
      '  ',
      ' ',
    ),
    {
      place,
      remedy: `update one of them: ${installCommand(name ?? 'the plugin')}, or ${installCommand(`tritune@${range}`)}`,
    },
  )
}

/** Of this copy. */
export function trituneVersion(): string {
  return readPackage(OWN_FOLDER).version ?? '0.0.0'
}

/** The folder of this copy of tritune. */
export const OWN_FOLDER: string = fileURLToPath(new URL('../../..', import.meta.url))

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The package in whose folder somebody stands, by its own name. */
function itself(name: string, start: string): string | undefined {
  const folder = above(resolve(start)).find((at) => existsSync(join(at, 'package.json')))
  return folder !== undefined && readPackage(folder).name === name ? folder : undefined
}

function readPackage(folder: string): InstalledPackage {
  const path = join(folder, 'package.json')
  let manifest: unknown
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new TrituneError('E_PLUGIN', 'this package.json cannot be read', {
      place: path,
      remedy: 'mend it, or install the package again',
      cause,
    })
  }
  const known = isRecord(manifest) ? manifest : {}
  const { name, version } = known
  return {
    name: typeof name === 'string' ? name : null,
    version: typeof version === 'string' ? version : null,
    folder,
    manifest: known,
  }
}

function targetOf(manifest: Manifest, entry: string): string | null {
  const conditions = [
    process.versions.bun ? 'bun' : process.versions['deno'] ? 'deno' : 'node-addons',
    'module-sync',
  ]
  try {
    if (manifest.exports !== undefined) return exportsOf(manifest, entry, { conditions })?.[0] ?? null
  } catch {
    // The library says with an Error that the part is not exported.
    return null
  }
  if (entry !== '.') return entry
  const main: unknown = legacy(manifest, { fields: ['module', 'main'] })
  return typeof main === 'string' ? main : './index.js'
}

/** The version itself may be one before a release: who installed it wants it. */
function fits(version: string | null, range: string): boolean {
  return version !== null && satisfies(version, range, { includePrerelease: true })
}

function above(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...above(parent)]
}

function onDeno(): boolean {
  return process.versions['deno'] !== undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
