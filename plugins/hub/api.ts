/** The two questions asked of the hub: which commit is a revision, and which files does it have. */

import { TrituneError } from '../../core/errors.ts'
import type { HubReference } from './reference.ts'
import { RetryableError, hubGet, networkError, withRetries } from './request.ts'
import type { HubSettings } from './settings.ts'

export interface HubFile {
  /** Path in the repository, with slashes. */
  readonly path: string
  readonly bytes: number
  /** Name of the blob in the cache: sha256 of a large file, git blob id (sha1) of a small one. */
  readonly etag: string
  /** True when `etag` is the sha256 of the content. */
  readonly large: boolean
}

export interface HubCommit {
  readonly sha: string
  readonly files: readonly HubFile[]
}

/** @throws E_HUB when the model, the revision or the network is not there, or the answer makes no sense */
export async function fetchCommit(
  { repo, revision }: HubReference,
  settings: HubSettings,
): Promise<HubCommit> {
  const base = `${settings.endpoint}/api/models/${repo}`
  const what = revision === 'main' ? repo : `${repo}@${revision}`
  const info = await fetchJson(`${base}/revision/${encodeURIComponent(revision)}`, settings, what)
  const sha = isObject(info.value) ? info.value['sha'] : undefined
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw nonsense(what, 'it names no commit')
  const files: HubFile[] = []
  let next: string | undefined = `${base}/tree/${sha}?recursive=true`
  while (next !== undefined) {
    const page: { value: unknown; next: string | undefined } = await fetchJson(next, settings, what)
    if (!Array.isArray(page.value)) throw nonsense(what, 'the list of files is no list')
    for (const item of page.value) {
      if (isObject(item) && item['type'] === 'file') files.push(parseFile(item, what))
    }
    next = page.next
  }
  return { sha, files }
}

function parseFile(item: Readonly<Record<string, unknown>>, what: string): HubFile {
  const { path, size, oid, lfs } = item
  if (typeof path !== 'string' || typeof size !== 'number' || typeof oid !== 'string') {
    throw nonsense(what, 'a file has no path, size or id')
  }
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..' || /[\\:\0]/.test(part))) {
    throw nonsense(what, `a file has the path ${JSON.stringify(path)}`)
  }
  const large = isObject(lfs)
  const etag = large ? lfs['oid'] : oid
  const bytes = large ? (lfs['size'] ?? size) : size
  if (typeof etag !== 'string' || !/^[0-9a-f]{40,64}$/.test(etag) || typeof bytes !== 'number') {
    throw nonsense(what, `${path} has no id`)
  }
  return { path, bytes, etag, large }
}

async function fetchJson(
  url: string,
  settings: HubSettings,
  what: string,
): Promise<{ value: unknown; next: string | undefined }> {
  return await withRetries(settings, async () => {
    const { response, close } = await hubGet(url, settings, { what })
    try {
      const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
      return { value: (await response.json()) as unknown, next: link && new URL(link, url).href }
    } catch (error) {
      if (error instanceof SyntaxError) throw nonsense(what, 'it is no JSON')
      throw new RetryableError(networkError(error, what, settings))
    } finally {
      close()
    }
  })
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nonsense(what: string, why: string): TrituneError {
  return new TrituneError('E_HUB', `the answer of the hub makes no sense: ${why}`, {
    place: what,
    remedy: 'check HF_ENDPOINT, and whether a proxy answers instead of the hub',
  })
}
