/**
 * Sets files of a working tree aside and puts them back: content, mode and times as they were.
 *
 * Files are renamed, never copied or deleted, and what was where is written down before the first one moves. So whatever
 * interrupts either direction, `putBack` finishes it. Folders stay, empty or not.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { changesIn, trackedFiles } from './git.ts'

/** One file, as it was. */
export interface SetAside {
  readonly path: string
  readonly mode: number
  readonly bytes: number
  /** Of the content; of a link, of where it points. */
  readonly sha256: string
}

export interface Kit {
  /** The working tree. */
  readonly root: string
  /** A folder in it that git ignores, on the same disk. */
  readonly store: string
}

/** Whether something is set aside, or was when it was interrupted. */
export function isAside(kit: Kit): boolean {
  return existsSync(manifestOf(kit))
}

/** What is set aside. */
export function listAside(kit: Kit): readonly SetAside[] {
  return readManifest(kit)
}

/** Tracked files at and below some paths. */
export interface Chosen {
  readonly paths: readonly string[]
  /** Not these, nor what is below them. */
  readonly except?: readonly string[]
}

/**
 * The files that `setAside` would move.
 * @throws E_USAGE when git tracks nothing there, or sees a change
 */
export function chooseFiles(root: string, { paths, except = [] }: Chosen): string[] {
  const files = trackedFiles(root, paths)
  for (const path of paths)
    if (!files.some((file) => isBelow(file, path)))
      throw new TrituneError('E_USAGE', 'git tracks nothing there that could be set aside', {
        place: join(root, path),
        remedy: 'check out what is missing, or mend the list',
      })
  const changes = changesIn(root, paths)
  if (changes.length > 0)
    throw new TrituneError('E_USAGE', `git sees changes in what is to be set aside: ${changes.join(', ')}`, {
      place: root,
      remedy: 'commit them or take them back first',
    })
  return files.filter((file) => !except.some((path) => isBelow(file, path)))
}

/**
 * Moves the chosen files into the store. `moved` is called after each.
 * @throws E_USAGE when something is set aside already, and as `chooseFiles` does
 */
export function setAside(
  kit: Kit,
  chosen: Chosen,
  moved: (path: string) => void = () => {},
): readonly SetAside[] {
  const { root } = kit
  if (isAside(kit)) throw alreadyAside(kit)
  const files = chooseFiles(root, chosen)
  const entries = files.map((path) => describe(root, path))
  writeManifest(kit, entries)
  for (const { path } of entries) {
    const target = shelfOf(kit, path)
    mkdirSync(dirname(target), { recursive: true })
    renameSync(join(root, path), target)
    moved(path)
  }
  return entries
}

/**
 * Puts everything back and looks at every file; also after an interrupted `setAside` or `putBack`. `moved` is called after
 * each file that comes back.
 * @throws E_USAGE when nothing is set aside, E_FILE when a file was changed or is gone: the others are back then, and both
 * versions are kept
 */
export function putBack(kit: Kit, moved: (path: string) => void = () => {}): readonly SetAside[] {
  if (!isAside(kit))
    throw new TrituneError('E_USAGE', 'nothing is set aside', { place: kit.root, remedy: 'pack first' })
  const entries = readManifest(kit)
  const problems = entries.flatMap((entry) => {
    const problem = putBackOne(kit, entry)
    if (problem === null) moved(entry.path)
    return problem ?? []
  })
  if (problems.length > 0)
    throw new TrituneError('E_FILE', `not everything is as it was:\n  ${problems.join('\n  ')}`, {
      place: kit.root,
      remedy: `choose what is right for these files (set aside: ${shelfOf(kit, '')}), then unpack again`,
    })
  // Empty by now: a file that nobody wrote down stops this instead of being deleted.
  removeFolders(shelfOf(kit, ''))
  rmSync(manifestOf(kit))
  return entries
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isBelow(file: string, path: string): boolean {
  return file === path || file.startsWith(`${path}/`)
}

function manifestOf({ store }: Kit): string {
  return join(store, 'aside.json')
}

function shelfOf({ store }: Kit, path: string): string {
  return join(store, 'aside', path)
}

function alreadyAside(kit: Kit): TrituneError {
  return new TrituneError('E_USAGE', 'files are set aside already, or setting them aside was interrupted', {
    place: manifestOf(kit),
    remedy: '`bun scripts/gpu-kit.ts unpack` puts them back',
  })
}

/** Appears whole, and only where there is none: of two at once, one is refused. */
function writeManifest(kit: Kit, files: readonly SetAside[]): void {
  const draft = join(kit.store, `aside-${process.pid}.draft`)
  writeFileAtomic(draft, `${JSON.stringify({ files }, null, 1)}\n`)
  try {
    linkSync(draft, manifestOf(kit))
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'EEXIST' ? alreadyAside(kit) : error
  } finally {
    rmSync(draft)
  }
}

function readManifest(kit: Kit): readonly SetAside[] {
  const { files }: { readonly files: readonly SetAside[] } = JSON.parse(readFileSync(manifestOf(kit), 'utf8'))
  return files
}

function describe(root: string, path: string): SetAside {
  const place = join(root, path)
  const { mode, size } = lstatSync(place)
  return { path, mode: mode & 0o7777, bytes: size, sha256: hashOf(place) }
}

function hashOf(place: string): string {
  const content = lstatSync(place).isSymbolicLink() ? readlinkSync(place) : readFileSync(place)
  return createHash('sha256').update(content).digest('hex')
}

/** What is wrong with the file afterwards, or null. */
function putBackOne(kit: Kit, { path, mode, sha256 }: SetAside): string | null {
  const [here, there] = [join(kit.root, path), shelfOf(kit, path)]
  const [inTree, onShelf] = [statOf(here), statOf(there)]
  if (!inTree && !onShelf) return `${path}: is gone`
  if (inTree && onShelf) {
    // Somebody made the file again meanwhile, git for example.
    if (hashOf(here) !== sha256) return `${path}: there is another one in the tree`
    if (hashOf(there) !== sha256) return `${path}: what was set aside was changed`
    rmSync(there)
  } else if (onShelf) {
    if (hashOf(there) !== sha256) return `${path}: what was set aside was changed`
    mkdirSync(dirname(here), { recursive: true })
    renameSync(there, here)
  } else if (hashOf(here) !== sha256) return `${path}: was changed`
  const now = lstatSync(here)
  if (!now.isSymbolicLink() && (now.mode & 0o7777) !== mode) chmodSync(here, mode)
  return null
}

function statOf(place: string): Stats | undefined {
  return lstatSync(place, { throwIfNoEntry: false })
}

function removeFolders(folder: string): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const child = join(folder, name)
    if (lstatSync(child).isDirectory()) removeFolders(child)
    else
      throw new TrituneError('E_FILE', 'this file was not among those that were set aside', {
        place: child,
        remedy: 'move it to where it belongs, then unpack again',
      })
  }
  rmdirSync(folder)
}
