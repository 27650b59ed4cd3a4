/**
 * SHA-256 over the sources of libtritune_cpu, the value of "sources" in tt_build_info().
 *
 * A test compares the two, so a committed library that was not rebuilt after a change of its sources is noticed. Not a
 * security measure.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT: string = join(import.meta.dir, '..')

/** Repository-relative paths of everything the CPU library is built from, sorted. */
export function nativeSources(): string[] {
  const files = readdirSync(join(ROOT, 'native/cpu'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(cpp|h)$/.test(name))
    .map((name) => `native/cpu/${name.replaceAll('\\', '/')}`)
  return ['native/include/tritune.h', ...files].toSorted()
}

/** Hex digest over the names and contents of `nativeSources()`. */
export function nativeSourceHash(): string {
  const hash = createHash('sha256')
  for (const file of nativeSources()) {
    const content = readFileSync(join(ROOT, file))
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}
