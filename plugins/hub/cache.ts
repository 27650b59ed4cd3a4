/**
 * The cache layout of huggingface_hub, shared with the Python tools:
 * models--org--name/{refs/<revision>, blobs/<etag>, snapshots/<commit>/<path> → blobs}.
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { discard, errorCode, fileError, temporaryName } from '../../core/files/files.ts'
import { rename } from '../../core/files/rename.ts'
import type { HubFile } from './api.ts'
import { type HubReference, isCommit } from './reference.ts'
import type { HubSettings } from './settings.ts'

export interface RepoCache {
  readonly folder: string
  blob(file: HubFile): string
  /** The lock that huggingface_hub takes, too. */
  lock(file: HubFile): string
  snapshot(commit: string): string
  /** The commit that a revision was when last asked, or the revision itself when it is a commit. */
  commitOf(revision: string): string | undefined
  saveRef(revision: string, commit: string): void
  /** Makes the file appear in the snapshot. */
  link(file: HubFile, commit: string): void
}

export function repoCache(
  { cacheDir, symlinks }: Pick<HubSettings, 'cacheDir' | 'symlinks'>,
  { repo, kind = 'model' }: HubReference,
): RepoCache {
  const name = `${kind}s--${repo.replaceAll('/', '--')}`
  const folder = join(cacheDir, name)
  const snapshot = (commit: string): string => join(folder, 'snapshots', commit)
  const blob = (file: HubFile): string => join(folder, 'blobs', file.etag)
  return {
    folder,
    blob,
    snapshot,
    lock: (file) => join(cacheDir, '.locks', name, `${file.etag}.lock`),
    commitOf(revision) {
      if (isCommit(revision)) return revision
      const path = join(folder, 'refs', revision)
      try {
        const commit = readFileSync(path, 'utf8').trim()
        return isCommit(commit) ? commit : undefined
      } catch (error) {
        // A folder is a part of longer names.
        if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined
        throw fileError(error, path, 'cannot read')
      }
    },
    saveRef(revision, commit) {
      if (!isCommit(revision)) writeFileAtomic(join(folder, 'refs', revision), commit)
    },
    link(file, commit) {
      const path = join(snapshot(commit), file.path)
      if (!existsSync(path)) place(blob(file), path, symlinks)
    },
  }
}

/** A relative link, or a copy where links are not allowed; a dangling link is replaced. */
function place(blob: string, path: string, symlinks: boolean): void {
  const temporary = temporaryName(path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    if (!symlinks) copyFileSync(blob, temporary)
    else link(relative(dirname(path), blob), blob, temporary)
    rename(temporary, path)
  } catch (error) {
    discard(temporary)
    throw fileError(error, path, 'cannot write')
  }
}

function link(target: string, blob: string, temporary: string): void {
  try {
    symlinkSync(target, temporary)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error
    copyFileSync(blob, temporary)
  }
}
