/**
 * Which of the runs that are known lie at or below some folders.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import type { ListedRun } from '../../plugins/runs/mod.ts'

/** Each once, also where links lead to it in several ways. */
export function runsBelow(all: readonly ListedRun[], folders: readonly string[]): ListedRun[] {
  const roots = folders.map(realPath)
  return distinctRuns(all).filter(({ folder }) => roots.some((root) => isBelow(realPath(folder), root)))
}

/** Without those that another path names too. */
export function distinctRuns(all: readonly ListedRun[]): ListedRun[] {
  return [...new Map(all.toReversed().map((one) => [realPath(one.folder), one])).values()].toReversed()
}

/** E_FILE for one that is not there. A misspelt one must not look as if it had no runs. */
export function expectFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    if (isFolder === true) continue
    throw new TrituneError('E_FILE', isFolder === false ? 'this is no folder' : 'there is no such folder', {
      place: resolve(folder),
      remedy: 'name a run, or a folder that has runs below it',
    })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isBelow(folder: string, root: string): boolean {
  const path = relative(root, folder)
  return path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path)
}
