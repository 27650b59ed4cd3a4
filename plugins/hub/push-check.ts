/**
 * Whether the hub has what was sent: names, sizes and hashes read back from the commit and compared with the files here.
 */
import { createHash } from 'node:crypto'
import { TrituneError } from '../../core/errors.ts'
import { feedFile } from '../../core/files/hash-file.ts'
import type { HubLibrary } from './library.ts'
import type { PushContent } from './push-content.ts'
import { hashOf } from './verify.ts'

export interface CheckRequest {
  readonly repo: string
  /** Commit, or the reference of a pull request. */
  readonly revision: string
  readonly files: readonly PushContent[]
  readonly endpoint: string
  readonly send: typeof fetch
  readonly library: HubLibrary
}

/** The first file that the hub does not have as it is here, and why; undefined when all are right. */
export async function firstWrong(request: CheckRequest): Promise<string | undefined> {
  const { repo, revision, files, endpoint, send, library } = request
  for (let start = 0; start < files.length; start += PER_QUESTION) {
    const part = files.slice(start, start + PER_QUESTION)
    const infos = await library.pathsInfo({
      repo: { type: 'model', name: repo },
      paths: part.map(({ path }) => path),
      revision,
      hubUrl: endpoint,
      fetch: send,
    })
    const there = new Map(infos.map((info) => [info.path, info]))
    for (const file of part) {
      const wrong = compare(file, there.get(file.path))
      if (wrong !== undefined) return wrong
    }
  }
  return undefined
}

/** @throws E_HUB that names the first wrong file */
export async function checkPushed(request: CheckRequest): Promise<void> {
  const wrong = await firstWrong(request)
  if (wrong === undefined) return
  throw new TrituneError('E_HUB', `the upload is damaged: ${wrong}`, {
    place: request.repo,
    remedy: 'push again; if it happens again, a proxy alters what is sent, or the files change meanwhile',
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PER_QUESTION = 100

interface RemoteFile {
  readonly size: number
  readonly oid?: string
  readonly lfs?: { readonly oid: string; readonly size: number }
}

function compare({ path, bytes, source }: PushContent, remote: RemoteFile | undefined): string | undefined {
  if (remote === undefined) return `${path} is not there`
  const size = remote.lfs?.size ?? remote.size
  if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}`
  const id = remote.lfs?.oid ?? remote.oid ?? ''
  const hash = remote.lfs ? createHash('sha256') : hashOf(id, bytes)
  if (hash === undefined) return `${path} has no hash that tritune knows`
  if ('text' in source) hash.update(source.text)
  else feedFile(source.file, hash)
  return hash.digest('hex') === id ? undefined : `${path} has another hash than here`
}
