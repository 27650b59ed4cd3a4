/**
 * What is in the cache of the hub: repositories, their sizes and when they were last used, as `@huggingface/hub` counts
 * them; and removing one by its name.
 */
import { existsSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { removeFolderAtomic } from '../../core/files/atomic.ts'
import { errorCode } from '../../core/files/files.ts'
import { hubLibrary } from './library.ts'
import { type HubOptions, hubSettings } from './settings.ts'

/** One repository in the cache of the hub. */
export interface CachedModel {
  readonly repo: string
  readonly type: string
  readonly bytes: number
  readonly files: number
  /** Branches and tags, or commits that have none. */
  readonly revisions: readonly string[]
  readonly lastUsed: Date
  readonly folder: string
}

/** What is in the cache of the hub. */
export interface CacheContents {
  readonly folder: string
  /** The largest first. */
  readonly models: readonly CachedModel[]
  /** Folders that are none of a cache, and why. */
  readonly warnings: readonly string[]
}

type CacheOptions = Pick<HubOptions, 'cacheDir'>

/**
 * Lists the cache of the hub, models and data sets alike, the largest first; a cache that is not there is empty. Needs
 * the package `@huggingface/hub`: E_HUB without it.
 *
 * @example
 * ```ts
 * import { cachedModels } from 'tritune/plugins/hub'
 *
 * const { models } = await cachedModels()
 * for (const { repo, bytes } of models) console.log(repo, bytes)
 * ```
 */
export async function cachedModels(options: CacheOptions = {}): Promise<CacheContents> {
  const { cacheDir } = hubSettings({ ...options, token: false }, process.env)
  if (!existsSync(cacheDir)) return { folder: cacheDir, models: [], warnings: [] }
  const { scanCacheDir } = await hubLibrary()
  const { repos, warnings } = await scanCacheDir(cacheDir).catch((error: unknown) => {
    throw unreadable(error, cacheDir)
  })
  const models = repos.map(({ id, path, size, filesCount, revisions, lastAccessedAt }) => ({
    repo: id.name,
    type: id.type,
    bytes: size,
    files: filesCount,
    revisions: revisions.flatMap(({ refs, commitOid }) => (refs.length > 0 ? refs : [commitOid.slice(0, 8)])),
    lastUsed: lastAccessedAt,
    folder: path,
  }))
  return {
    folder: cacheDir,
    models: models.toSorted((a, b) => b.bytes - a.bytes),
    warnings: warnings.map(({ message }) => message),
  }
}

/** Removes a repository with all its revisions. @throws E_HUB when it is not there */
export async function removeCachedModel(repo: string, options: CacheOptions = {}): Promise<CachedModel> {
  const { models, folder } = await cachedModels(options)
  const found = models.find((model) => model.repo === repo)
  if (found === undefined)
    throw new TrituneError('E_HUB', `${repo} is not in the cache`, {
      place: folder,
      remedy: 'name it as the list does: org/name',
    })
  removeFolderAtomic(found.folder)
  return found
}

function unreadable(error: unknown, folder: string): unknown {
  if (errorCode(error) === undefined && !(error instanceof Error)) return error
  return new TrituneError(
    'E_FILE',
    `cannot read the cache (${error instanceof Error ? error.message : ''})`,
    {
      place: folder,
      cause: error,
    },
  )
}
