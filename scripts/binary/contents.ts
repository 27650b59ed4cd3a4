/**
 * What a binary carries: the built package, its native libraries for one platform, and the packages that it imports, as an installation
 * lays them out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import type { PayloadFile } from './payload.ts'

export interface ContentsOptions {
  /** What `bun run build` made; ends with a slash. */
  readonly dist: string
  /** Folder with the `node_modules` of the checkout. */
  readonly root: string
  /** `linux-x64` */
  readonly platform: string
}

/** In the order of their paths. E_FILE when the package is not built. */
export function binaryContents({ dist, root, platform }: ContentsOptions): PayloadFile[] {
  const manifest = readManifest(join(dist, 'tritune'))
  if (!manifest)
    throw new TrituneError('E_FILE', 'the package is not built', { place: dist, remedy: 'bun run build' })
  const own = [
    ...filesIn(join(dist, 'tritune'), 'node_modules/tritune'),
    ...['', '-cuda'].flatMap((suffix) => {
      const name = `@tritune/${platform}${suffix}`
      return existsSync(join(dist, name)) ? filesIn(join(dist, name), `node_modules/${name}`) : []
    }),
  ]
  const packages = [...closure(join(root, 'node_modules'), namesOf(manifest))].toSorted()
  const others = packages.flatMap((name) => filesIn(join(root, 'node_modules', name), `node_modules/${name}`))
  return [...own, ...others].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** For people who write programs: types, maps, sources of types, other forms of the same code. */
const LEFT_OUT = /\.(d\.[cm]?ts|map|flow|tsbuildinfo)$|\.es2015\.min\.js$|\.es5\.min\.js$/
/** Of other packages. Sources stay: the manifest of a package may name them for Bun. */
const UNUSED = /\.(md|markdown)$/i

function readManifest(folder: string): Manifest | null {
  const path = join(folder, 'package.json')
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null
}

/** Also what an installation leaves to who needs it. Not koffi, which is for Node, nor what is for benches. */
function namesOf({ dependencies, peerDependencies }: Manifest): string[] {
  const named = [...Object.keys(dependencies ?? {}), ...Object.keys(peerDependencies ?? {})]
  return named.filter((name) => !name.startsWith('@tritune/') && name !== 'mitata' && name !== 'koffi')
}

/** The packages and what they need, of those that are installed. */
function closure(modules: string, names: readonly string[]): Set<string> {
  const found = new Set<string>()
  const visit = (name: string): void => {
    const manifest = found.has(name) ? null : readManifest(join(modules, name))
    if (!manifest) return
    found.add(name)
    for (const needed of Object.keys(manifest.dependencies ?? {})) visit(needed)
  }
  for (const name of names) visit(name)
  return found
}

function filesIn(folder: string, to: string): PayloadFile[] {
  const isOwn = to.startsWith('node_modules/tritune') || to.startsWith('node_modules/@tritune/')
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    if (!entry.isFile()) return []
    const file = join(entry.parentPath, entry.name)
    const path = file.slice(folder.length + 1).replaceAll('\\', '/')
    if (LEFT_OUT.test(path) || (!isOwn && UNUSED.test(path))) return []
    return [{ path: `${to}/${path}`, bytes: readFileSync(file) }]
  })
}
