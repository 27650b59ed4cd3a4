/**
 * What killed writers leave in a folder under temporary names, put right: folders that were moved aside between two
 * renames are put back, everything else is removed. Only for who holds the lock of the folder: process numbers are not
 * asked, because those of another container, or of a process that came later, say nothing.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { recoverFolder } from './atomic.ts'
import { fileError, removeTree } from './files.ts'

/**
 * `isOurs` knows the final names that only the holder of the lock writes.
 * @returns the final names of folders that were put back
 */
export function recoverLeftovers(folder: string, isOurs: (name: string) => boolean): string[] {
  const restored: string[] = []
  try {
    const leftovers = readdirSync(folder).flatMap((name) => {
      const [, final, kind] = LEFTOVER.exec(name) ?? []
      return final !== undefined && isOurs(final) ? [{ name, final, kind }] : []
    })
    for (const { final, kind } of leftovers)
      if (kind === 'old' && recoverFolder(join(folder, final))) restored.push(final)
    for (const { name } of leftovers) removeTree(join(folder, name))
  } catch (error) {
    throw fileError(error, folder, 'cannot clean up')
  }
  return restored
}

/** The names of `temporaryName()`. */
const LEFTOVER = /^\.(.+)\.(tmp|old)-.*-\d+-[a-z0-9]*$/
