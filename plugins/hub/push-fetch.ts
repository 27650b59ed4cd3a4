/**
 * The `fetch` that `@huggingface/hub` uploads with. The token stays here: it is put on requests to the hub's own origin,
 * never given to the library nor sent to the storage that large files go to. What may pass is tried again (the library
 * does not), redirects of the hub are refused, and a refusal is an error that says what to do.
 *
 * A commit is sent again only when the hub said that it took none: whether an answer that was lost stood for a commit is
 * for `push.ts` to find out.
 */
import { URL } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import { pushRefusal, UnknownOutcome } from './push-refusal.ts'
import { networkError, RetryableError, withRetries } from './request.ts'
import type { HubSettings } from './settings.ts'

export interface PushFetchOptions {
  readonly settings: HubSettings
  /** `org/name`, for messages. */
  readonly repo: string
  readonly signal: AbortSignal
  /** Statuses that the caller wants to see: `/api/repos/create` → 409. */
  readonly pass?: (status: number, url: URL) => boolean
}

/** @returns a `fetch` whose answers are good ones, or passed on; else it throws E_HUB */
export function createPushFetch(options: PushFetchOptions): typeof fetch {
  const { settings } = options
  const send = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    if (input instanceof Request) throw new Error('BUG: addresses are expected, not requests')
    return await withRetries(settings, () => attempt(new URL(input), init, options))
  }
  // Whatever else the runtime's own has.
  return Object.assign(send, fetch)
}

async function attempt(url: URL, init: RequestInit, options: PushFetchOptions): Promise<Response> {
  const { settings, repo, signal, pass } = options
  const atHub = url.origin === new URL(settings.endpoint).origin
  const isCommit = atHub && /\/commit\/[^/]+$/.test(url.pathname)
  const headers = new Headers(init.headers)
  headers.set('user-agent', 'tritune')
  headers.delete('authorization')
  if (atHub && settings.token !== undefined) headers.set('authorization', `Bearer ${settings.token}`)
  const silence = AbortSignal.timeout(Math.min(timeOf(init.body, settings), 2 ** 31 - 1))
  const stops = [signal, silence, ...(init.signal ? [init.signal] : [])]
  const response = await fetch(url, {
    ...init,
    headers,
    // For a redirect that it may follow Node keeps the whole body in memory.
    redirect: atHub ? 'manual' : 'error',
    signal: AbortSignal.any(stops),
  }).catch((error: unknown) => {
    if (signal.aborted) throw stopped(repo)
    if (init.signal?.aborted && !silence.aborted) throw error
    const reported = networkError(error, repo, settings)
    throw isCommit ? new UnknownOutcome(reported) : new RetryableError(reported)
  })
  if (response.ok || pass?.(response.status, url) === true) return response
  throw await pushRefusal(response, { settings, repo, isCommit, atHub })
}

export function stopped(repo: string): TrituneError {
  return new TrituneError('E_HUB', 'the upload was stopped; the repository is as it was', { place: repo })
}

/** The hub's usual patience, and for a body 50 kB/s at least; a commit of many files takes its time. */
function timeOf(body: RequestInit['body'], { silenceMs }: HubSettings): number {
  const bytes = body instanceof Blob ? body.size : typeof body === 'string' ? body.length : 0
  // Node takes whole numbers only.
  return Math.ceil(silenceMs + bytes / 50)
}
