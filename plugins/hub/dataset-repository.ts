/**
 * The repository of a dataset on the hub: which files it has, and some of them on this machine, in the cache of huggingface_hub
 * (`datasets--org--name`). Which of them are a split is not known here.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { fetchCommit } from './api.ts'
import { repoCache } from './cache.ts'
import { fetchFiles } from './fetch-files.ts'
import { type HubReference, parseReference } from './reference.ts'
import { type HubOptions, hubSettings } from './settings.ts'

/** What a dataset has, at one commit. */
export interface DatasetRepository {
  /** Paths of its files, with slashes. */
  readonly paths: readonly string[]
  /** Downloads those of these paths that are not here yet; the folder that has them under their paths. */
  download(paths: readonly string[]): Promise<string>
}

/**
 * Asks the hub which files a dataset has; offline, which of them are in the cache.
 *
 * @param name `org/name`
 * @throws E_HUB when it cannot be had, with what to do about it; E_DISK; E_FILE
 */
export async function openDatasetRepository(
  name: string,
  options: HubOptions = {},
): Promise<DatasetRepository> {
  const wanted: HubReference = { ...parseReference(name, options.revision, 'dataset'), kind: 'dataset' }
  const settings = hubSettings(options, process.env)
  const cache = repoCache(settings, wanted)
  if (settings.offline) {
    const commit = cache.commitOf(wanted.revision)
    if (commit === undefined || !existsSync(cache.snapshot(commit)))
      throw notCached(wanted, settings.cacheDir)
    return cached(wanted, cache.snapshot(commit), settings.cacheDir)
  }
  const commit = await fetchCommit(wanted, settings)
  return {
    paths: commit.files.map(({ path }) => path),
    async download(paths) {
      const files = commit.files.filter(({ path }) => paths.includes(path))
      await fetchFiles(files, { wanted, commit, cache, settings })
      cache.saveRef(wanted.revision, commit.sha)
      return cache.snapshot(commit.sha)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function cached(wanted: HubReference, snapshot: string, cacheDir: string): DatasetRepository {
  const paths = readdirSync(snapshot, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(snapshot, join(entry.parentPath, entry.name)).split(sep).join('/'))
  return {
    paths,
    download(asked) {
      const missing = asked.find((path) => !existsSync(join(snapshot, path)))
      return missing === undefined
        ? Promise.resolve(snapshot)
        : Promise.reject(notCached(wanted, cacheDir, missing))
    },
  }
}

function notCached({ repo, revision }: HubReference, cacheDir: string, file?: string): TrituneError {
  const what =
    file === undefined ? 'the dataset is not in the cache' : `${file} of the dataset is not in the cache`
  return new TrituneError('E_HUB', `${what}, and the hub is switched off (offline)`, {
    place: revision === 'main' ? repo : `${repo}@${revision}`,
    remedy: `to download it take out offline: true, or unset HF_HUB_OFFLINE; HF_HUB_CACHE names another cache than ${cacheDir}`,
  })
}
