/**
 * kit.tar.xz: the Bun that runs this, and the packages that the code needs at run time. Packing Bun takes minutes, so the
 * archive stays, with the hash of what is in it beside, and is made again only when that has changed.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { ARCHIVE, BUN, STORE } from './contents.ts'

/** Makes the archive in `root` if it is not there as it has to be; gives whether it was made. */
export function makeArchive(root: string, bun: string = process.execPath): boolean {
  const packages = runtimePackages(root)
  const key = contentKey(root, bun, packages)
  const [archive, keyFile] = [join(root, ARCHIVE), join(root, `${ARCHIVE}.key`)]
  if (existsSync(archive) && existsSync(keyFile) && readFileSync(keyFile, 'utf8') === key) return false
  mkdirSync(join(root, STORE), { recursive: true })
  const stage = mkdtempSync(join(root, STORE, 'stage-'))
  try {
    mkdirSync(dirname(join(stage, BUN)), { recursive: true })
    copyFileSync(bun, join(stage, BUN))
    for (const name of packages)
      cpSync(join(root, 'node_modules', name), join(stage, 'node_modules', name), {
        recursive: true,
        dereference: true,
        filter: isNeeded,
      })
    const made = join(stage, 'kit.tar.xz')
    const tar = [
      '--sort=name',
      '--mtime=@0',
      '--owner=0',
      '--group=0',
      '-I',
      'xz -9 -T1',
      '-C',
      stage,
      '-cf',
      made,
    ]
    const { status, stderr, error } = spawnSync('tar', [...tar, STORE.split('/')[0], 'node_modules'], {
      encoding: 'utf8',
    })
    if (error || status !== 0)
      throw new TrituneError('E_FILE', `tar and xz cannot pack the kit: ${error?.message ?? stderr.trim()}`, {
        place: archive,
        remedy: 'install GNU tar and xz',
      })
    rmSync(keyFile, { force: true })
    renameSync(made, archive)
    writeFileSync(keyFile, key)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
  return true
}

/** `dependencies` of package.json and what these depend on, in node_modules. */
export function runtimePackages(root: string): string[] {
  const found = new Set<string>()
  const visit = (file: string): void => {
    for (const name of dependenciesIn(file)) {
      if (found.has(name)) continue
      const folder = join(root, 'node_modules', name)
      if (!existsSync(folder))
        throw new TrituneError('E_FILE', 'the package is not installed', {
          place: folder,
          remedy: 'run `bun install` first',
        })
      found.add(name)
      visit(join(folder, 'package.json'))
    }
  }
  visit(join(root, 'package.json'))
  return [...found].toSorted()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function dependenciesIn(file: string): string[] {
  const { dependencies = {} }: { readonly dependencies?: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(file, 'utf8'),
  )
  return Object.keys(dependencies)
}

/** Types, maps and sources of the packages are for people. */
function isNeeded(path: string): boolean {
  return !/\.(?:map|d\.[cm]?ts|md)$/.test(path)
}

function contentKey(root: string, bun: string, packages: readonly string[]): string {
  const hash = createHash('sha256').update(readFileSync(bun))
  for (const name of packages) {
    const folder = join(root, 'node_modules', name)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isNeeded).toSorted()
    hash.update(`\0${name}\0${files.join('\0')}\0`).update(readFileSync(join(folder, 'package.json')))
  }
  return hash.digest('hex')
}
