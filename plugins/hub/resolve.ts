/**
 * From what a user wrote for a model to a path on this machine: local paths as they are, models of the Hugging Face hub
 * through its cache. Reads only; uploading is not here.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError, didYouMean } from '../../core/errors.ts'
import type { HubCommit, HubFile } from './api.ts'
import { fetchCommit } from './api.ts'
import type { RepoCache } from './cache.ts'
import { repoCache } from './cache.ts'
import { fetchFiles } from './fetch-files.ts'
import {
  SINGLE_WEIGHTS,
  WEIGHTS_INDEX,
  checkConfig,
  indexedShards,
  isNeeded,
  smallFiles,
  weightFiles,
} from './plan.ts'
import type { HubReference } from './reference.ts'
import { isCommit, looksLikePath, parseReference } from './reference.ts'
import type { HubOptions, HubSettings } from './settings.ts'
import { hubSettings } from './settings.ts'
import { blobOf, isRightBlob } from './verify.ts'

/**
 * The path on this machine of a model: a local one as it is, one of the hub (`org/name`, `org/name@revision`,
 * `org/name/file.gguf`) downloaded into the cache, where it is not there yet.
 *
 * @param reference an existing folder or file (returned as it is), `org/name[@revision]`, or `org/name/file.gguf`
 * @returns the folder of the model, or the path of the one file
 * @throws E_FILE for a path that does not exist; E_HUB when the model cannot be had, with what to do about it; E_DISK
 * @example
 * ```ts
 * import { resolveModel } from 'tritune/plugins/hub'
 *
 * const folder = await resolveModel('HuggingFaceTB/SmolLM2-135M-Instruct', {
 *   onProgress: ({ file, received, total }) => console.log(file, received, total),
 * })
 * console.log(folder)
 * ```
 */
export async function resolveModel(reference: string, options: HubOptions = {}): Promise<string> {
  if (existsSync(reference)) return reference
  if (looksLikePath(reference)) {
    throw new TrituneError('E_FILE', 'no such file or folder', { place: reference, remedy: 'check the path' })
  }
  const wanted = parseReference(reference, options.revision)
  const settings = hubSettings(options, process.env)
  const cache = repoCache(settings, wanted)
  if (settings.offline) return fromCache(wanted, cache, settings)
  if (isCommit(wanted.revision)) {
    const snapshot = cache.snapshot(wanted.revision)
    if (lacking(wanted, snapshot) === undefined && damaged(wanted, snapshot, settings) === undefined)
      return resultPath(wanted, snapshot)
  }
  return await fromHub(wanted, cache, settings, options.only)
}

function fromCache(wanted: HubReference, cache: RepoCache, settings: HubSettings): string {
  const { cacheDir } = settings
  const what = describe(wanted)
  const commit = cache.commitOf(wanted.revision)
  const missing = commit === undefined ? 'everything' : lacking(wanted, cache.snapshot(commit))
  if (commit !== undefined && missing === undefined) {
    const bad = damaged(wanted, cache.snapshot(commit), settings)
    if (bad === undefined) return resultPath(wanted, cache.snapshot(commit))
    throw new TrituneError('E_HUB', `the cached ${bad} is damaged: its content is not that of its name`, {
      place: what,
      remedy: 'run it once without offline (HF_HUB_OFFLINE): it is downloaded again',
    })
  }
  const message =
    missing === 'everything'
      ? 'it is not in the cache'
      : `the cached copy is incomplete: ${missing} is missing`
  throw new TrituneError('E_HUB', `${message}, and the hub is switched off (offline)`, {
    place: what,
    remedy: `to download it take out offline: true, or unset HF_HUB_OFFLINE; HF_HUB_CACHE names another cache than ${cacheDir}`,
  })
}

async function fromHub(
  wanted: HubReference,
  cache: RepoCache,
  settings: HubSettings,
  only: HubOptions['only'],
): Promise<string> {
  const what = describe(wanted)
  const commit = await fetchCommit(wanted, settings)
  const paths = commit.files.map((file) => file.path)
  const snapshot = cache.snapshot(commit.sha)
  const fetchAll = (names: readonly string[]): Promise<void> =>
    fetchFiles(
      names.map((name) => fileNamed(name, commit, what)),
      { wanted, commit, cache, settings },
    )
  if (wanted.file === undefined) {
    checkConfig(paths, what)
    const small = smallFiles(paths)
    await fetchAll(only === 'config' ? small.filter((name) => name === 'config.json') : small)
    if (only === 'config') return snapshot
    const weights = weightFiles(paths, what, () => readFileSync(join(snapshot, WEIGHTS_INDEX), 'utf8'))
    if (only === 'small') return snapshot
    await fetchAll(weights)
  } else {
    await fetchAll([wanted.file])
  }
  cache.saveRef(wanted.revision, commit.sha)
  return resultPath(wanted, snapshot)
}

function fileNamed(name: string, commit: HubCommit, what: string): HubFile {
  const file = commit.files.find(({ path }) => path === name)
  if (file !== undefined) return file
  const extension = name.slice(name.lastIndexOf('.'))
  const others = commit.files.map(({ path }) => path).filter((path) => path.endsWith(extension))
  throw new TrituneError('E_HUB', `the repository has no file ${name}; ${didYouMean(name, others)}`, {
    place: what,
  })
}

/** The first file that a complete snapshot would have and this one lacks. */
function lacking({ file }: HubReference, snapshot: string): string | undefined {
  const has = (name: string): boolean => existsSync(join(snapshot, name))
  if (!existsSync(snapshot)) return 'everything'
  if (file !== undefined) return has(file) ? undefined : file
  if (has('adapter_config.json') && has('adapter_model.safetensors')) return undefined
  if (!has('config.json')) return 'config.json'
  if (has(SINGLE_WEIGHTS)) return undefined
  if (!has(WEIGHTS_INDEX)) return SINGLE_WEIGHTS
  return indexedShards(readFileSync(join(snapshot, WEIGHTS_INDEX), 'utf8'), snapshot).find(
    (shard) => !has(shard),
  )
}

/** The first file that is wanted and has another content than its name says. */
function damaged({ file }: HubReference, snapshot: string, settings: HubSettings): string | undefined {
  const names = file === undefined ? readdirSync(snapshot).filter((name) => isNeeded(name)) : [file]
  return names.find((name) => {
    const blob = blobOf(join(snapshot, name))
    return blob !== undefined && !isRightBlob(blob, settings)
  })
}

function resultPath({ file }: HubReference, snapshot: string): string {
  return file === undefined ? snapshot : join(snapshot, file)
}

function describe({ repo, revision, file }: HubReference): string {
  return `${repo}${file === undefined ? '' : `/${file}`}${revision === 'main' ? '' : `@${revision}`}`
}
