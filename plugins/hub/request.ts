/**
 * One GET to the hub: redirects followed by hand, so that the token is sent to the hub's own origin only and nothing
 * goes from https to http; a time limit on silence; and failures as errors that say what to do. Retrying is done by
 * `withRetries`.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { URL } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import type { HubSettings } from './settings.ts'
import { watchSilence } from './silence.ts'

export interface HubResponse {
  readonly response: Response
  /** Call whenever data arrives; when nobody does for `silenceMs` the body fails. */
  alive(): void
  /** Call when the body is done with. */
  close(): void
}

/** Wrapped around what may pass when tried again. */
export class RetryableError extends Error {
  readonly waitMs: number | undefined
  readonly reported: TrituneError

  constructor(reported: TrituneError, waitMs?: number) {
    super(reported.message)
    this.reported = reported
    this.waitMs = waitMs
  }
}

/**
 * @throws RetryableError for network failures, 429 and 5xx; TrituneError E_HUB for other refusals, naming `what`
 */
export async function hubGet(
  url: string,
  settings: HubSettings,
  { what, range }: { what: string; range?: string },
): Promise<HubResponse> {
  const { signal, alive, close } = watchSilence(settings, what)
  try {
    const response = await follow(url, settings, { what, range, signal })
    if (response.ok || response.status === 416) return { response, alive, close }
    close()
    await response.body?.cancel()
    throw refusal(response, settings, what)
  } catch (error) {
    close()
    if (error instanceof TrituneError || error instanceof RetryableError) throw error
    throw new RetryableError(networkError(error, what, settings))
  }
}

/** Repeats `work` while it fails with RetryableError, waiting longer each time. */
export async function withRetries<T>(settings: HubSettings, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const began = performance.now()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error
      if (attempt >= settings.retries) throw error.reported
      const wait = error.waitMs ?? Math.min(settings.retryDelayMs * 2 ** attempt, MAX_DELAY_MS)
      if (Math.max(wait, performance.now() - began) >= WORTH_TELLING_MS)
        settings.onNote(
          `${error.reported.message.split('\n')[0]}; trying again in ${Math.ceil(wait / 1000)} s`,
        )
      await sleep(wait)
    }
  }
}

export function networkError(error: unknown, what: string, settings: HubSettings): TrituneError {
  const said = error instanceof Error ? error.message : String(error)
  // Node and Deno say "fetch failed", and why in the cause.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
  const reason = cause === '' || said.includes(cause) ? said : `${said}: ${cause}`
  return new TrituneError('E_HUB', `cannot reach ${settings.endpoint} (${reason})`, {
    place: what,
    remedy:
      'check the network; `offline: true` or HF_HUB_OFFLINE=1 uses what is cached, HF_ENDPOINT names a mirror',
    cause: error,
  })
}

const MAX_DELAY_MS = 60_000
/** The hub counts requests in windows of five minutes; who asks for more is not waited for. */
const MAX_WAIT_MS = 300_000
const WORTH_TELLING_MS = 5000
const MAX_REDIRECTS = 8

async function follow(
  url: string,
  { token, endpoint }: HubSettings,
  { what, range, signal }: { what: string; range: string | undefined; signal: AbortSignal },
): Promise<Response> {
  const own = new URL(endpoint).origin
  let next = new URL(url)
  for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
    // Compressed bodies could neither be resumed nor counted.
    const headers: Record<string, string> = { 'user-agent': 'tritune', 'accept-encoding': 'identity' }
    if (token !== undefined && next.origin === own) headers['authorization'] = `Bearer ${token}`
    if (range !== undefined) headers['range'] = range
    const response = await fetch(next, { headers, redirect: 'manual', signal })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) return response
    await response.body?.cancel()
    next = redirected(next, location, what)
  }
  throw unsafe(what, `it sends from one address to the next, more than ${MAX_REDIRECTS} times`)
}

/** Where a redirect or a link leads; http and https only, and never from https to http. E_HUB */
export function redirected(from: URL, location: string, what: string): URL {
  if (!URL.canParse(location, from.href)) throw unsafe(what, `it sends to ${JSON.stringify(location)}`)
  const to = new URL(location, from)
  if (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')) return to
  throw unsafe(
    what,
    `it sends to ${to.protocol}//${to.host}, which is not as safe as ${from.protocol}//${from.host}`,
  )
}

function unsafe(what: string, why: string): TrituneError {
  return new TrituneError('E_HUB', `the answer of the hub is not followed: ${why}`, {
    place: what,
    remedy: 'check HF_ENDPOINT, and whether a proxy answers instead of the hub',
  })
}

export function tooLongToWait(ms: number): boolean {
  return ms > MAX_WAIT_MS
}

/** What Retry-After (seconds or a date) or the hub's own header asks to wait. */
export function askedWait(headers: Headers, now: number): number | undefined {
  const asked = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+$/.test(asked)) return Number(asked) * 1000
  const date = asked === '' ? Number.NaN : Date.parse(asked)
  if (!Number.isNaN(date)) return Math.max(0, date - now)
  const reset = /;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  return reset === undefined ? undefined : Number(reset) * 1000
}

function refusal(response: Response, { endpoint, token }: HubSettings, what: string): Error {
  const { status } = response
  const code = response.headers.get('x-error-code') ?? ''
  const said = response.headers.get('x-error-message')
  const error = (message: string, remedy: string): TrituneError =>
    new TrituneError('E_HUB', `${message} (${status}${said === null ? '' : `: ${said}`})`, {
      place: what,
      remedy,
    })
  if (status === 429 || status >= 500) {
    const wait = askedWait(response.headers, Date.now())
    if (wait !== undefined && tooLongToWait(wait))
      return error(`the hub asks to wait ${Math.ceil(wait / 60_000)} minutes`, 'try again then')
    return new RetryableError(error('the hub cannot answer now', 'try again later'), wait)
  }
  const page = `${endpoint}/${what.split('/').slice(0, 2).join('/')}`
  const setToken = 'set HF_TOKEN to a token of your account (Settings → Access Tokens)'
  if (code === 'GatedRepo' || (status === 403 && code === '')) {
    return error(
      'the model is gated: its owner asks for consent',
      `accept the licence at ${page}, then ${setToken}`,
    )
  }
  if (status === 401 || status === 403) {
    return token === undefined
      ? error(
          'there is no such model or dataset, or it is private or gated',
          `check the name (no local folder has it either); if it exists, accept its licence and ${setToken}`,
        )
      : error(
          'the access token was refused',
          'check HF_TOKEN: it is wrong, expired, or may not read this model',
        )
  }
  if (code === 'RevisionNotFound')
    return error('there is no such revision', `see ${page}/tree/main for what there is`)
  if (code === 'EntryNotFound')
    return error('there is no such file', `see ${page}/tree/main for what there is`)
  if (status === 404)
    return error('there is no such model, dataset or file', 'check the name; no local folder has it either')
  return error('the hub refused the request', `open ${page} in a browser`)
}
