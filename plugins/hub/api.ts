/** The two questions asked of the hub: which commit is a revision, and which files does it have. */

import { TrituneError } from '../../core/errors.ts'
import { type HubReference, isCommit } from './reference.ts'
import { type HubResponse, RetryableError, hubGet, networkError, redirected, withRetries } from './request.ts'
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

/** Of up to 1000 files each. */
const MAX_PAGES = 1000
const MAX_JSON_BYTES = 64 * 2 ** 20

/** @throws E_HUB when the model, the revision or the network is not there, or the answer makes no sense */
export async function fetchCommit(
  { repo, revision, kind = 'model' }: HubReference,
  settings: HubSettings,
): Promise<HubCommit> {
  const base = `${settings.endpoint}/api/${kind}s/${repo}`
  const what = revision === 'main' ? repo : `${repo}@${revision}`
  const info = await fetchJson(`${base}/revision/${encodeURIComponent(revision)}`, settings, what)
  const sha = isObject(info.value) ? info.value['sha'] : undefined
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw nonsense(what, 'it names no commit')
  if (isCommit(revision) && sha !== revision) throw nonsense(what, `it names another commit, ${sha}`)
  const files: HubFile[] = []
  const asked = new Set<string>()
  let next: string | undefined = `${base}/tree/${sha}?recursive=true`
  while (next !== undefined) {
    if (asked.has(next) || asked.size >= MAX_PAGES) throw nonsense(what, 'its list of files does not end')
    asked.add(next)
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
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw nonsense(what, `${path} has ${bytes} bytes`)
  return { path, bytes, etag, large }
}

async function fetchJson(
  url: string,
  settings: HubSettings,
  what: string,
): Promise<{ value: unknown; next: string | undefined }> {
  return await withRetries(settings, async () => {
    const answer = await hubGet(url, settings, { what })
    const { response, close } = answer
    try {
      const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
      const next = link === undefined ? undefined : redirected(new URL(url), link, what)
      if (next !== undefined && next.origin !== new URL(url).origin)
        throw nonsense(what, `its list of files goes on at ${next.origin}`)
      return { value: JSON.parse(await readText(answer, what)) as unknown, next: next?.href }
    } catch (error) {
      if (error instanceof TrituneError) throw error
      // Nested too deeply for the parser is no JSON of a hub either.
      if (error instanceof SyntaxError || error instanceof RangeError) throw nonsense(what, 'it is no JSON')
      throw new RetryableError(networkError(error, what, settings))
    } finally {
      close()
    }
  })
}

/** The body as text, as long as it is no larger than an answer can be. */
async function readText({ response }: HubResponse, what: string): Promise<string> {
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  let text = ''
  let bytes = 0
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    bytes += part.value.length
    if (bytes > MAX_JSON_BYTES) {
      await reader?.cancel()
      throw nonsense(what, 'it has no end')
    }
    text += decoder.decode(part.value, { stream: true })
  }
  return text + decoder.decode()
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
