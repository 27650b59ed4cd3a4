/**
 * SHA-256 over the sources of a native library, the value of "sources" in tt_build_info().
 *
 * A check compares the two, so a committed library that was not rebuilt after a change of its sources is noticed. Not a
 * security measure.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './process.ts'

const FOLDERS = {
  cpu: ['native/cpu'],
  cuda: ['native/cuda'],
  'cuda-emulated': ['native/cuda', 'native/emulator'],
  dist: ['native/dist'],
} as const

/** The headers of an ABI of its own; all others have the one of the ops. */
const HEADERS: Partial<Record<NativeKind, readonly string[]>> = { dist: ['native/include/tritune_dist.h'] }
const OF_OPS = ['native/include/checks.h', 'native/include/tritune.h']

export type NativeKind = keyof typeof FOLDERS

/** Repository-relative paths of everything a library is built from, sorted. */
export function nativeSources(kind: NativeKind): string[] {
  const files = FOLDERS[kind].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(cpp|cuh?|h)$/.test(name))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
  )
  return [...(HEADERS[kind] ?? OF_OPS), ...files].toSorted()
}

/** Hex digest over the names and contents of `nativeSources()`. */
export function nativeSourceHash(kind: NativeKind): string {
  const hash = createHash('sha256')
  for (const file of nativeSources(kind)) {
    const content = readFileSync(join(ROOT, file))
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}
