/**
 * The runs below some folders, found by their files. Folders of checkpoints are not looked into, nor hidden ones, nor node_modules.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode, fileError, publicPath } from '../../../core/files/files.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { RunRecord } from '../record/run-record.ts'
import { isRun, readRun } from './read-run.ts'

/** A run and where it lies. */
export interface ListedRun {
  readonly folder: string
  readonly run: RunRecord
}

/** How deep to look. */
export interface ListRunsOptions {
  /** Folders below a root that are looked into; 0: the roots alone. */
  readonly depth?: number
}

/** Every run at or below `roots`, the newest first. A root that is not there has none. Throws E_FILE for one that is a file or cannot be read. */
export function listRuns(roots: readonly string[], { depth = 3 }: ListRunsOptions = {}): ListedRun[] {
  const folders = new Set(roots.flatMap((root) => runFolders(root, depth)))
  return [...folders]
    .map((folder) => ({ folder, run: readRun(folder) }))
    .toSorted((a, b) =>
      a.run.started_at < b.run.started_at ? 1 : a.run.started_at > b.run.started_at ? -1 : 0,
    )
}

/** The folders of runs at or below `root`. What lies in a folder of somebody else, which cannot be read, is none of them. */
export function runFolders(root: string, depth = 3): string[] {
  return foldersAt(root, depth, NOTHING_THERE)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** As good as no folder: a root, and what lies below one. */
const NOTHING_THERE: readonly string[] = ['ENOENT']
const NOT_OURS: readonly string[] = [...NOTHING_THERE, 'ENOTDIR', 'EACCES', 'EPERM']

function foldersAt(root: string, depth: number, passedBy: readonly string[]): string[] {
  if (isRun(root)) return [root]
  if (depth < 0) return []
  let names: string[]
  try {
    names = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !SKIPPED.test(entry.name))
      .map(({ name }) => name)
  } catch (error) {
    if (passedBy.includes(errorCode(error) ?? '')) return []
    if (errorCode(error) === 'ENOTDIR')
      throw new TrituneError('E_FILE', 'it is a file; runs are looked for in folders', {
        place: publicPath(root),
        remedy: `name the folder that has the runs, such as ${publicPath(dirname(root))}`,
        cause: error,
      })
    throw fileError(error, root, 'cannot read')
  }
  return names.flatMap((name) => foldersAt(join(root, name), depth - 1, NOT_OURS))
}

const SKIPPED = /^(\.|node_modules$|checkpoint-\d+$|last-checkpoint$)/
