/**
 * What git says about a working tree. Not git itself: nothing here changes a repository.
 */
import { spawnSync } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'

/** Files in the tree that git tracks. */
export function trackedFiles(root: string, paths: readonly string[] = []): string[] {
  return list(root, ['--cached'], paths)
}

/** Files in the tree that git tracks or would track: not those it ignores. */
export function visibleFiles(root: string): string[] {
  return list(root, ['--cached', '--others', '--exclude-standard'], [])
}

/** Below `paths`: what is not as in the last commit, as git's short status has it. */
export function changesIn(root: string, paths: readonly string[]): string[] {
  const args = ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--', ...paths]
  return git(root, args)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function list(root: string, what: readonly string[], paths: readonly string[]): string[] {
  const names = new Set(git(root, ['ls-files', '-z', ...what, '--', ...paths]))
  return [...names].filter((name) => isThere(join(root, name))).toSorted()
}

function isThere(path: string): boolean {
  const entry = lstatSync(path, { throwIfNoEntry: false })
  return entry !== undefined && !entry.isDirectory()
}

/** The items of its answer, which ends each with a NUL. */
function git(root: string, args: readonly string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (error || status !== 0)
    throw new TrituneError('E_USAGE', `git cannot say what is there: ${error?.message ?? stderr.trim()}`, {
      place: root,
      remedy: 'run it in a git checkout',
    })
  return stdout.split('\0').filter((name) => name !== '')
}
