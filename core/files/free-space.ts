/**
 * How much more a disk takes, asked before something large is written to it. A guess at the future and no promise: others write too, so whoever
 * writes handles a full disk all the same.
 */
import { existsSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { TrituneError } from '../errors.ts'

/** Bytes that this user may still write where `folder` is, or will be made; null where the system does not say. */
export function freeSpace(folder: string): number | null {
  let path = resolve(folder)
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path)
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return null
  }
}

/** Throws E_DISK where `folder` has no room for `bytes` more; `what` says for what, `remedy` what to do. */
export function expectSpace(
  folder: string,
  bytes: number,
  { what, remedy }: { readonly what: string; readonly remedy: string },
): void {
  const free = freeSpace(folder)
  if (free === null || free >= bytes) return
  throw new TrituneError('E_DISK', `${what} takes ${gib(bytes)} of disk, and ${gib(free)} are free`, {
    place: folder,
    remedy,
  })
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
