/**
 * The repository that is pushed to: made when it is not there, never made public by accident, with the branch that is
 * named.
 */
import type { URL } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import type { HubLibrary } from './library.ts'
import type { HubSettings } from './settings.ts'

export interface RepositoryRequest {
  readonly repo: string
  /** A branch; `main` is there always. */
  readonly revision: string
  /** true: only into a private one; undefined: as it is, and a new one as the account has it. */
  readonly isPrivate: boolean | undefined
  readonly settings: HubSettings
  /** From `createPushFetch()`, passing 404 and 409 on. */
  readonly send: typeof fetch
  readonly library: HubLibrary
}

/** Who the token belongs to; E_HUB when it belongs to nobody, or may only read. */
export async function whoAmI(repo: string, { endpoint }: HubSettings, send: typeof fetch): Promise<string> {
  const answer: unknown = await (await send(`${endpoint}/api/whoami-v2`)).json()
  const { name, auth } = objectOf(answer)
  const { role } = objectOf(objectOf(auth)['accessToken'])
  if (role === 'read')
    throw new TrituneError('E_HUB', 'the access token may only read', {
      place: repo,
      remedy: 'make one that may write, in the settings of your account (Access Tokens)',
    })
  return typeof name === 'string' ? name : 'somebody'
}

/** @returns true when it was made now */
export async function ensureRepository(request: RepositoryRequest): Promise<boolean> {
  const { repo, revision, isPrivate, send, library } = request
  const before = await visibility(request)
  if (before === 'public' && isPrivate === true)
    throw new TrituneError('E_HUB', 'the repository is there and public', {
      place: repo,
      remedy: 'make it private in its settings, or push without --private',
    })
  if (before === 'none') {
    await library.createRepo({
      repo: { type: 'model', name: repo },
      ...(isPrivate === undefined ? {} : { visibility: isPrivate ? 'private' : 'public' }),
      hubUrl: request.settings.endpoint,
      fetch: accepting409(send),
      // The library wants one; `send` puts the real one in its place.
      accessToken: 'hf_in_send',
    })
  }
  if (revision !== 'main') await ensureBranch(request)
  return before === 'none'
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function visibility({
  repo,
  settings,
  send,
}: RepositoryRequest): Promise<'none' | 'private' | 'public'> {
  const response = await send(`${settings.endpoint}/api/models/${repo}`)
  const answer: unknown = response.ok ? await response.json() : await response.text().then(() => null)
  if (!response.ok) return 'none'
  return objectOf(answer)['private'] === true ? 'private' : 'public'
}

/** Somebody else made it between the question and now. */
function accepting409(send: typeof fetch): typeof fetch {
  const accepting = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await send(input, init)
    return response.status === 409 ? Response.json({ url: '', id: '' }) : response
  }
  return Object.assign(accepting, send)
}

async function ensureBranch({ repo, revision, settings, send, library }: RepositoryRequest): Promise<void> {
  const url = `${settings.endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`
  const response = await send(url)
  await response.text()
  if (response.ok) return
  await library.createBranch({
    repo: { type: 'model', name: repo },
    branch: revision,
    hubUrl: settings.endpoint,
    fetch: accepting409(send),
  })
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
