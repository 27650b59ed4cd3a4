/**
 * Which commit a folder stands at, read from the files of its repository: no program is started.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Commit and branch; null where there is none, or no repository. */
export interface GitState {
  readonly commit: string | null
  readonly branch: string | null
}

const NONE: GitState = { commit: null, branch: null }

/** Of the repository that `folder` lies in. Never throws: a repository that cannot be read is none. */
export function gitState(folder: string): GitState {
  try {
    const repository = repositoryOf(resolve(folder))
    return repository === null ? NONE : stateOf(repository)
  } catch {
    return NONE
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Its `.git`: a folder, or a file that names one (a worktree). */
function repositoryOf(folder: string): string | null {
  const path = join(folder, '.git')
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) return path
    const [, named] = /^gitdir: (.+)$/m.exec(readFileSync(path, 'utf8')) ?? []
    return named === undefined ? null : resolve(folder, named)
  }
  const above = dirname(folder)
  return above === folder ? null : repositoryOf(above)
}

function stateOf(git: string): GitState {
  const head = readFileSync(join(git, 'HEAD'), 'utf8').trim()
  const [, ref] = /^ref: (.+)$/.exec(head) ?? []
  if (ref === undefined) return { commit: commitOf(head), branch: null }
  return { commit: commitOf(valueOf(git, ref)), branch: ref.replace(/^refs\/heads\//, '') }
}

function valueOf(git: string, ref: string): string {
  const common = join(git, 'commondir')
  const shared = existsSync(common) ? resolve(git, readFileSync(common, 'utf8').trim()) : git
  for (const folder of [git, shared])
    if (existsSync(join(folder, ref))) return readFileSync(join(folder, ref), 'utf8').trim()
  const packed = join(shared, 'packed-refs')
  const lines = existsSync(packed) ? readFileSync(packed, 'utf8').split('\n') : []
  return lines.find((line) => line.endsWith(` ${ref}`))?.split(' ')[0] ?? ''
}

function commitOf(text: string): string | null {
  return /^[\da-f]{40,64}$/.test(text) ? text : null
}
