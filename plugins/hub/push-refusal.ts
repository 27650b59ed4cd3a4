/**
 * What the hub says when it does not take an upload, as errors that say what to do. What it writes into its answers is
 * shown on one line and never further than it is useful.
 */
import { TrituneError } from '../../core/errors.ts'
import { askedWait, RetryableError, tooLongToWait } from './request.ts'
import type { HubSettings } from './settings.ts'

/** A commit was sent and its answer is lost: it may be there or not. */
export class UnknownOutcome extends Error {
  readonly reported: TrituneError

  constructor(reported: TrituneError) {
    super(reported.message)
    this.reported = reported
  }
}

export interface RefusedRequest {
  readonly settings: HubSettings
  readonly repo: string
  readonly isCommit: boolean
  /** False: the storage of large files. */
  readonly atHub: boolean
}

/** What to throw for an answer that is no good one. */
export async function pushRefusal(response: Response, request: RefusedRequest): Promise<Error> {
  const { settings, repo, isCommit, atHub } = request
  const { status } = response
  const said = await reasonOf(response)
  const error = (message: string, remedy: string): TrituneError =>
    new TrituneError('E_HUB', `${message} (${status}${said === '' ? '' : `: ${said}`})`, {
      place: repo,
      remedy,
    })
  if (isTemporary(status, isCommit)) {
    const wait = askedWait(response.headers, Date.now())
    if (wait !== undefined && tooLongToWait(wait))
      return error(`the hub asks to wait ${Math.ceil(wait / 60_000)} minutes`, 'push again then')
    const what = status === 412 ? 'others are changing the repository' : 'the hub cannot answer now'
    return new RetryableError(error(what, 'push again later'), wait)
  }
  if (status >= 500) return new UnknownOutcome(error('the hub cannot answer now', 'push again later'))
  if (status >= 300 && status < 400) {
    const to = response.headers.get('location') ?? ''
    const where = URL.canParse(to, response.url) ? new URL(to, response.url).href : 'elsewhere'
    return error(`the repository has moved to ${oneLine(where)}`, 'push to its new name')
  }
  if (!atHub)
    return error('the storage of the hub refused a file', 'push again; if it happens again, set the clock')
  return error(...explain(status, response.headers.get('x-error-code') ?? '', settings))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of a commit only what says that there is none. */
function isTemporary(status: number, isCommit: boolean): boolean {
  if (status === 429 || status === 503 || status === 408) return true
  return isCommit ? status === 412 : status >= 500
}

function explain(status: number, code: string, { token }: HubSettings): [message: string, remedy: string] {
  const tokens = 'the settings of your account (Access Tokens)'
  if (status === 401)
    return token === undefined
      ? ['there is no access token', `set HF_TOKEN to one that may write, from ${tokens}`]
      : ['the access token was refused', `it is wrong or expired: make one that may write in ${tokens}`]
  if (status === 403)
    return ['the access token may not write there', `check the name, and make a token that may, in ${tokens}`]
  if (code === 'RevisionNotFound') return ['there is no such branch', 'name another --revision']
  if (status === 404)
    return ['there is no such repository', 'check its name, and whether the token may see it']
  if (status === 409) return ['the repository is in the way', 'push again, or to another name']
  if (status === 413) return ['that is more than the hub takes at once', 'push a smaller folder']
  return ['the hub refused the upload', 'see what it says']
}

/** The hub's words, in its header or in a JSON body. */
async function reasonOf(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message')
  const body = await response.text().catch(() => '')
  if (header !== null) return oneLine(header)
  if (response.headers.get('content-type')?.startsWith('application/json') !== true) return ''
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null) return ''
    const said = 'error' in value ? value.error : 'message' in value ? value.message : ''
    return typeof said === 'string' ? oneLine(said) : ''
  } catch (error) {
    if (error instanceof SyntaxError) return ''
    throw error
  }
}

/** Nothing that moves the cursor of a terminal. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 300)
}
