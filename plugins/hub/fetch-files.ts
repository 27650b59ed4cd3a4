/** Files of a commit into the cache: a few at a time, each by one process of this machine at a time. */
import { describeHolder, withLock } from '../../core/files/lock.ts'
import type { HubCommit, HubFile } from './api.ts'
import type { RepoCache } from './cache.ts'
import { downloadBlob } from './download.ts'
import type { HubReference } from './reference.ts'
import type { HubSettings } from './settings.ts'

/** Whose files they are, and where they go. */
export interface FetchTarget {
  readonly wanted: HubReference
  readonly commit: Pick<HubCommit, 'sha'>
  readonly cache: RepoCache
  readonly settings: HubSettings
}

/** @throws E_HUB, E_DISK, E_FILE of the first file that cannot be had, when the others that have begun have ended */
export async function fetchFiles(files: readonly HubFile[], target: FetchTarget): Promise<void> {
  const queue = [...files]
  const failures: unknown[] = []
  async function worker(): Promise<void> {
    for (let file = queue.shift(); file !== undefined && failures.length === 0; file = queue.shift()) {
      await fetchFile(file, target).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  if (failures.length > 0) throw failures[0]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PARALLEL = 4

async function fetchFile(file: HubFile, { wanted, commit, cache, settings }: FetchTarget): Promise<void> {
  const path = file.path.split('/').map(encodeURIComponent).join('/')
  const repository = wanted.kind === 'dataset' ? `datasets/${wanted.repo}` : wanted.repo
  const url = `${settings.endpoint}/${repository}/resolve/${commit.sha}/${path}`
  const what = `${wanted.repo}/${file.path}`
  await withLock(cache.lock(file), () => downloadBlob(url, cache.blob(file), file, { settings, what }), {
    onWait: (holder) => settings.onNote(`waiting for ${what}: ${describeHolder(holder)} downloads it`),
  })
  cache.link(file, commit.sha)
}
