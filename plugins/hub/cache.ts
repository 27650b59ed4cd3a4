/**
 * The cache layout of huggingface_hub, shared with the Python tools:
 * models--org--name/{refs/<revision>, blobs/<etag>, snapshots/<commit>/<path> → blobs}.
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { errorCode, fileError, temporaryName } from '../../core/files/files.ts'
import type { HubFile } from './api.ts'
import type { HubReference } from './reference.ts'

export interface RepoCache {
  readonly folder: string
  blob(file: HubFile): string
  lock(file: HubFile): string
  snapshot(commit: string): string
  /** The commit that a revision was when last asked, or the revision itself when it is a commit. */
  commitOf(revision: string): string | undefined
  saveRef(revision: string, commit: string): void
  /** Makes the file appear in the snapshot. */
  link(file: HubFile, commit: string): void
}

export function repoCache(cacheDir: string, { repo }: HubReference): RepoCache {
  const name = `models--${repo.replaceAll('/', '--')}`
  const folder = join(cacheDir, name)
  const snapshot = (commit: string): string => join(folder, 'snapshots', commit)
  const blob = (file: HubFile): string => join(folder, 'blobs', file.etag)
  return {
    folder,
    blob,
    snapshot,
    lock: (file) => join(cacheDir, '.locks', name, `${file.etag}.tritune.lock`),
    commitOf(revision) {
      const path = join(folder, 'refs', revision)
      if (existsSync(path)) return readFileSync(path, 'utf8').trim()
      return isCommit(revision) ? revision : undefined
    },
    saveRef(revision, commit) {
      if (!isCommit(revision)) writeFileAtomic(join(folder, 'refs', revision), commit)
    },
    link(file, commit) {
      const path = join(snapshot(commit), file.path)
      if (!existsSync(path)) place(blob(file), path)
    },
  }
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** A relative link, or a copy where links are not allowed; a dangling link is replaced. */
function place(blob: string, path: string): void {
  const temporary = temporaryName(path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    try {
      symlinkSync(relative(dirname(path), blob), temporary)
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error
      copyFileSync(blob, temporary)
    }
    renameSync(temporary, path)
  } catch (error) {
    throw fileError(error, path, 'cannot write')
  }
}
