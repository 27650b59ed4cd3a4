/**
 * How a run's file names a plugin's module: a path, or a package with or without a version range and a part of it.
 *
 *   ./mine.ts   /abs/mine.ts   file:///abs/mine.ts   tritune-plugin-foo   npm:tritune-plugin-foo@^1.2   @me/foo@2/extra
 */
import validRange from 'semver/ranges/valid.js'
import { TrituneError } from '../../../core/mod.ts'

export type PluginSpecifier = PathSpecifier | PackageSpecifier

export interface PathSpecifier {
  readonly kind: 'path'
  /** A path or a file: URL. */
  readonly path: string
}

export interface PackageSpecifier {
  readonly kind: 'package'
  readonly name: string
  /** Of versions that will do; null: any. */
  readonly range: string | null
  /** `.`, or `./part` of the package. */
  readonly entry: string
}

/** Throws E_PLUGIN for what is neither. */
export function parsePluginSpecifier(text: string): PluginSpecifier {
  if (text.startsWith('file:') || /^(\.{0,2}[\\/]|\.{1,2}$|[A-Za-z]:[\\/])/.test(text))
    return { kind: 'path', path: text }
  const scheme = /^([a-z][a-z+.-]*):/.exec(text)?.[1]
  if (scheme !== undefined && scheme !== 'npm')
    throw unfit(
      text,
      `plugins are not loaded by ${scheme}:`,
      'install it and give a path or the name of a package',
    )
  const parts = PACKAGE.exec(scheme === 'npm' ? text.slice(4) : text)
  if (!parts)
    throw unfit(
      text,
      'this is neither a path nor the name of a package',
      'paths begin with ./ or /, packages are written name, npm:name or npm:name@^1.2',
    )
  const [, name, range, part] = parts
  if (range !== undefined && validRange(range) === null)
    throw unfit(text, `"${range}" is not a range of versions`, `for example npm:${name}@^1.2`)
  return { kind: 'package', name, range: range ?? null, entry: part === undefined ? '.' : `.${part}` }
}

/** Name by the rules of npm, then @range, then /part. */
const PACKAGE = /^((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)(?:@([^/]+))?(\/[^@]+)?$/i

function unfit(place: string, what: string, remedy: string): TrituneError {
  return new TrituneError('E_PLUGIN', what, { place, remedy })
}
