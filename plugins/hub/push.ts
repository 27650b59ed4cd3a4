/**
 * Pushes a folder to a repository of the hub: one commit with everything in it, so that a push that stops half-way leaves
 * the repository as it was; then sizes and hashes are read back. Files that the repository has besides stay.
 */
import { openAsBlob } from 'node:fs'
import { pathToFileURL, type URL } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import { hubLibrary, type HubLibrary } from './library.ts'
import { checkPushed, firstWrong } from './push-check.ts'
import type { PushContent } from './push-content.ts'
import { createPushFetch, stopped } from './push-fetch.ts'
import { listPushFiles, type ListOptions, type PushKind } from './push-files.ts'
import { UnknownOutcome } from './push-refusal.ts'
import { parseReference } from './reference.ts'
import { ensureRepository, whoAmI } from './repository.ts'
import { type HubOptions, type HubSettings, hubSettings } from './settings.ts'

/** Options of `pushFolder()`: branch or pull request, visibility, the card, and how the hub is reached. */
export interface PushOptions
  extends ListOptions, Pick<HubOptions, 'token' | 'endpoint' | 'onNote' | 'retries' | 'retryDelayMs'> {
  /** Branch; made when it is not there. Default `main`. */
  readonly revision?: string
  /** true: only into a private repository. Default: as it is, and a new one as the account has it. */
  readonly private?: boolean
  /** Title of the commit. */
  readonly message?: string
  /** As a pull request, for a repository of others; nothing is made. */
  readonly createPr?: boolean
  /** README.md, where the folder has none. */
  readonly card?: string
  /** Stops the upload; the repository stays as it was. */
  readonly signal?: AbortSignal
}

/** What a push sends: sizes and hashes are known, nothing has been sent. */
export interface PushPlan {
  readonly repo: string
  readonly kind: PushKind
  readonly files: readonly PushContent[]
  /** What of the folder stays here. */
  readonly left: readonly string[]
  readonly bytes: number
}

/** What a push did: what was sent, and where it is now. */
export interface PushResult extends PushPlan {
  /** Page of the repository, or of the pull request. */
  readonly url: string
  readonly commit: string
  /** The repository was made by this push. */
  readonly created: boolean
}

/**
 * What `pushFolder()` would send; asks nobody. @throws E_FILE, E_HUB for a name that is none
 *
 * @example
 * ```ts
 * import { planPush } from 'tritune/plugins/hub'
 *
 * const { kind, files } = planPush('./my-adapter', 'me/poems')
 * console.log(kind, files.map(({ path }) => path).includes('adapter_model.safetensors')) // → adapter true
 * ```
 */
export function planPush(folder: string, repo: string, options: PushOptions = {}): PushPlan {
  const name = checkedRepo(repo)
  const { kind, files, left } = listPushFiles(folder, options)
  const contents: PushContent[] = files.map(({ path, file, bytes }) => ({ path, bytes, source: { file } }))
  const readme = options.into === undefined ? 'README.md' : `${options.into}/README.md`
  if (options.card !== undefined && !contents.some(({ path }) => path === readme)) {
    const text = options.card
    contents.unshift({ path: readme, bytes: Buffer.byteLength(text), source: { text } })
  }
  return {
    repo: name,
    kind,
    files: contents,
    left,
    bytes: contents.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/**
 * Asks who the token belongs to and makes the repository: what can fail before there is anything to send.
 * @throws E_HUB
 */
export async function preparePush(repo: string, options: PushOptions = {}): Promise<{ created: boolean }> {
  const { created } = await open(checkedRepo(repo), options)
  return { created }
}

/**
 * Pushes a folder to a repository of the hub in one commit, makes the repository when it is not there, and reads sizes
 * and hashes back.
 *
 * @throws E_HUB for refusals, network failures and damage; E_FILE for files that cannot be read
 * @example
 * ```ts
 * import { pushFolder } from 'tritune/plugins/hub'
 *
 * const { url, created } = await pushFolder('./my-adapter', 'me/poems', { private: true })
 * console.log(url, created)
 * ```
 */
export async function pushFolder(
  folder: string,
  repo: string,
  options: PushOptions = {},
): Promise<PushResult> {
  const plan = planPush(folder, repo, options)
  const { revision = 'main', createPr = false, message, signal } = options
  const opened = await open(plan.repo, options)
  const { settings, send, library, created } = opened
  const check = { repo: plan.repo, files: plan.files, endpoint: settings.endpoint, send, library }
  const output = await library
    .uploadFiles({
      repo: { type: 'model', name: plan.repo },
      files: await Promise.all(
        plan.files.map(async (file) => ({ path: file.path, content: await contentOf(file) })),
      ),
      commitTitle: message ?? `Upload ${plan.kind} with tritune`,
      branch: revision,
      isPullRequest: createPr,
      hubUrl: settings.endpoint,
      fetch: send,
      // Plain LFS: what a local server can stand for in a test.
      useXet: false,
      ...(signal ? { abortSignal: signal } : {}),
    })
    .catch(async (error: unknown) => {
      if (signal?.aborted === true) throw stopped(plan.repo)
      if (!(error instanceof UnknownOutcome)) throw explained(error, plan.repo)
      // The commit may have been made although its answer was lost.
      const wrong = createPr
        ? 'a pull request'
        : await firstWrong({ ...check, revision }).catch(() => 'unknown')
      if (wrong !== undefined) throw error.reported
      return undefined
    })
  const at = createPr ? pullRequestOf(output?.pullRequestUrl, plan.repo) : (output?.commit.oid ?? revision)
  await checkPushed({ ...check, revision: at })
  return {
    ...plan,
    created,
    commit: output?.commit.oid ?? revision,
    url:
      output?.pullRequestUrl ??
      `${settings.endpoint}/${plan.repo}${revision === 'main' ? '' : `/tree/${revision}`}`,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Opened {
  readonly settings: HubSettings
  readonly send: typeof fetch
  readonly library: HubLibrary
  readonly created: boolean
}

async function open(repo: string, options: PushOptions): Promise<Opened> {
  const { revision = 'main', createPr = false, signal = new AbortController().signal } = options
  const settings = hubSettings({ ...options, revision: 'main' }, process.env)
  if (settings.offline)
    throw new TrituneError('E_HUB', 'nothing can be uploaded offline', {
      place: repo,
      remedy: 'unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE',
    })
  if (settings.token === undefined)
    throw new TrituneError('E_HUB', 'there is no access token', {
      place: repo,
      remedy: 'set HF_TOKEN to one that may write, from the settings of your account (Access Tokens)',
    })
  const library = await hubLibrary()
  const send = createPushFetch({ settings, repo, signal })
  await whoAmI(repo, settings, send)
  if (createPr) return { settings, send, library, created: false }
  const asking = createPushFetch({
    settings,
    repo,
    signal,
    pass: (status, { pathname }) =>
      (status === 404 && !pathname.endsWith('/create')) ||
      (status === 409 && /\/(create|branch\/[^/]+)$/.test(pathname)),
  })
  const created = await ensureRepository({
    repo,
    revision,
    isPrivate: options.private,
    settings,
    send: asking,
    library,
  })
  return { settings, send, library, created }
}

/**
 * A Blob that reads its file piece by piece. Bun ignores the library's own kind in a request, and sends nothing; in Deno
 * `openAsBlob` reads the whole file into memory, and the library's kind does not.
 */
async function contentOf({ source }: PushContent): Promise<Blob | URL> {
  if ('text' in source) return new Blob([source.text])
  if (process.versions['deno'] !== undefined) return pathToFileURL(source.file)
  return await openAsBlob(source.file)
}

function checkedRepo(repo: string): string {
  const parts = repo.split('/')
  const fits =
    parts.length === 2 && parts.every((part) => /^[A-Za-z0-9]([\w.-]{0,94}[A-Za-z0-9])?$/.test(part))
  if (fits && !/--|\.\./.test(repo) && !repo.endsWith('.git')) return parseReference(repo).repo
  throw new TrituneError('E_HUB', `"${repo}" cannot be the name of a repository`, {
    remedy: 'write org/name or user/name: letters, digits and single - _ . between them',
  })
}

function pullRequestOf(url: string | undefined, repo: string): string {
  const number = /\/discussions\/(\d+)$/.exec(url ?? '')?.[1]
  if (number !== undefined) return `refs/pr/${number}`
  throw new TrituneError('E_HUB', 'the hub names no pull request', {
    place: repo,
    remedy: 'look at its page',
  })
}

/** Errors of the library itself are about answers that it does not understand. */
function explained(error: unknown, repo: string): unknown {
  if (error instanceof TrituneError || !(error instanceof Error)) return error
  return new TrituneError('E_HUB', `the upload failed: ${error.message}`, {
    place: repo,
    remedy: 'push again; if it happens again, a proxy may answer instead of the hub',
    cause: error,
  })
}
