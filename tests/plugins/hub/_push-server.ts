/**
 * A Hugging Face hub on this machine that takes uploads: whoami, repositories, branches, preupload, LFS (whole and in
 * parts, checked by hash), commits, trees and files with ranges. What it stores is what came, so that a test sees what a
 * client really sent. The storage is a second origin: it must get no token.
 */
import { createHash } from 'node:crypto'
import { gitId, sha256 } from './_server.ts'

export interface StoredFile {
  readonly content: Uint8Array<ArrayBuffer>
  readonly lfs: boolean
}

export interface StoredRepo {
  isPrivate: boolean
  /** Branches, and `refs/pr/1`: the newest commit last. */
  readonly refs: Map<string, string[]>
  readonly commits: Map<string, ReadonlyMap<string, StoredFile>>
  readonly titles: string[]
}

export type Refuse = (request: Request, url: URL) => Response | Promise<Response | undefined> | undefined

export interface PushServer extends Disposable {
  readonly endpoint: string
  readonly storage: string
  /** `POST /path auth=…` in the order of arrival; storage requests begin with `storage `. */
  readonly log: string[]
  readonly repos: Map<string, StoredRepo>
  token: string
  role: 'write' | 'read'
  /** Large files are asked for in parts of so many bytes. */
  partBytes: number | undefined
  /** Answers instead. */
  refuse: Refuse
  /** Changes what is stored, as a broken storage does. */
  damage: (content: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>
  /** The answer of a commit is a 504 although it was made. */
  loseCommit: boolean
  files(repo: string, ref?: string): ReadonlyMap<string, StoredFile>
}

const TOKEN = 'hf_writer'

export function pushServer(): PushServer {
  const log: string[] = []
  const repos = new Map<string, StoredRepo>()
  const objects = new Map<string, Uint8Array<ArrayBuffer>>()
  const parts = new Map<string, Uint8Array<ArrayBuffer>>()
  const state: Pick<
    PushServer,
    'token' | 'role' | 'partBytes' | 'refuse' | 'damage' | 'loseCommit' | 'log' | 'repos'
  > = {
    token: TOKEN,
    role: 'write',
    partBytes: undefined,
    refuse: () => undefined,
    damage: (content) => content,
    loseCommit: false,
    log,
    repos,
  }
  const note = (prefix: string, request: Request): URL => {
    const url = new URL(request.url)
    const auth = request.headers.get('authorization')
    log.push(`${prefix}${request.method} ${url.pathname}${auth === null ? '' : ` auth=${auth}`}`)
    return url
  }
  const storage = Bun.serve({
    maxRequestBodySize: 2 ** 30,
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const url = note('storage ', request)
      const refused = await state.refuse(request, url)
      if (refused) return refused
      const [, oid, part] = url.pathname.split('/')
      if (request.method === 'POST') {
        const { parts: named }: { parts: { partNumber: number; etag: string }[] } = parse(
          await request.text(),
        )
        if (named.some(({ partNumber, etag }) => etag !== `"${partNumber}"`))
          return new Response('', { status: 400 })
        const all = named.map(({ partNumber }) => parts.get(`${oid}/${partNumber}`) ?? new Uint8Array())
        objects.set(oid, state.damage(new Uint8Array(Buffer.concat(all))))
        return Response.json({})
      }
      const content = new Uint8Array(await request.arrayBuffer())
      if (part === undefined) objects.set(oid, state.damage(content))
      else parts.set(`${oid}/${Number(part)}`, content)
      return new Response('', { headers: { etag: part === undefined ? '"1"' : `"${Number(part)}"` } })
    },
  })
  const storageUrl = `http://127.0.0.1:${storage.port}`
  const hub = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const url = note('', request)
      const refused = await state.refuse(request, url)
      if (refused) return refused
      const reads = request.method !== 'POST' || url.pathname.includes('/paths-info/')
      const isPublicRead = reads && !isPrivate(url, repos)
      const mine = request.headers.get('authorization') === `Bearer ${state.token}`
      if (!mine && (!isPublicRead || url.pathname.startsWith('/api/whoami')))
        return Response.json({ error: 'Invalid credentials in Authorization header' }, { status: 401 })
      return await answer(request, url, { state, objects, storageUrl })
    },
  })
  return Object.assign(state, {
    endpoint: `http://127.0.0.1:${hub.port}`,
    storage: storageUrl,
    files: (repo: string, ref = 'main') => filesOf(repos.get(repo), ref),
    [Symbol.dispose]() {
      void hub.stop(true)
      void storage.stop(true)
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What clients send here is what the library sends. */
const parse = JSON.parse

interface Context {
  readonly state: Pick<PushServer, 'role' | 'partBytes' | 'loseCommit' | 'repos'>
  readonly objects: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
  readonly storageUrl: string
}

function isPrivate({ pathname }: URL, repos: ReadonlyMap<string, StoredRepo>): boolean {
  const name = /^(?:\/api\/models)?\/([^/]+\/[^/]+)/.exec(pathname)?.[1] ?? ''
  return repos.get(name)?.isPrivate === true
}

/** As the hub decides it: by name, or by size. */
function isLarge(path: string, size: number): boolean {
  return /\.(safetensors|bin|gguf)$/.test(path) || size > 10 * 2 ** 20
}

async function answer(request: Request, url: URL, context: Context): Promise<Response> {
  const { state, storageUrl } = context
  const path = decodeURIComponent(url.pathname)
  if (path === '/api/whoami-v2')
    return Response.json({ name: 'me', auth: { accessToken: { role: state.role } } })
  if (path === '/api/repos/create') return createRepository(parse(await request.text()), state.repos)
  const lfs = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path)
  if (lfs) return lfsBatch(parse(await request.text()), context, storageUrl)
  const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/([a-z-]+)(?:\/(.+))?)?$/.exec(path)
  if (api) return await repositoryApi(api, request, url, context)
  const file = /^\/([^/]+\/[^/]+)\/resolve\/((?:refs\/pr\/)?[^/]+)\/(.+)$/.exec(path)
  const repo = file ? state.repos.get(file[1]) : undefined
  if (!file || !repo) return notFound('RepoNotFound')
  return resolveFile(request, repo, file[2], file[3])
}

function createRepository(
  body: { organization: string; name: string; visibility?: string },
  repos: Map<string, StoredRepo>,
): Response {
  const name = `${body.organization}/${body.name}`
  if (body.organization === 'others') return Response.json({ error: 'Forbidden' }, { status: 403 })
  if (repos.has(name)) return Response.json({ error: 'You already created this model repo' }, { status: 409 })
  repos.set(name, emptyRepo(body.visibility === 'private'))
  return Response.json({ url: `http://hub/${name}`, id: name })
}

export function emptyRepo(isPrivate = false): StoredRepo {
  const first = '0'.repeat(40)
  return {
    isPrivate,
    refs: new Map([['main', [first]]]),
    commits: new Map([[first, new Map()]]),
    titles: [],
  }
}

async function repositoryApi(
  [, name, what, rest]: RegExpExecArray,
  request: Request,
  url: URL,
  context: Context,
): Promise<Response> {
  const repo = context.state.repos.get(name)
  if (repo === undefined) return notFound('RepoNotFound')
  if (what === undefined) return Response.json({ id: name, private: repo.isPrivate })
  if (what === 'branch') {
    if (repo.refs.has(rest)) return Response.json({ error: 'Reference already exists' }, { status: 409 })
    repo.refs.set(rest, [...(repo.refs.get('main') ?? [])])
    return Response.json({})
  }
  if (what === 'revision') {
    const sha = commitOf(repo, rest)
    return sha === undefined ? notFound('RevisionNotFound') : Response.json({ sha, id: name })
  }
  if (what === 'preupload') {
    const { files }: { files: { path: string; size: number }[] } = parse(await request.text())
    return Response.json({
      files: files.map(({ path, size }) => ({ path, uploadMode: isLarge(path, size) ? 'lfs' : 'regular' })),
    })
  }
  if (what === 'paths-info') {
    const files = filesOf(repo, rest)
    if (commitOf(repo, rest) === undefined) return notFound('RevisionNotFound')
    const { paths }: { paths: string[] } = parse(await request.text())
    return Response.json(paths.flatMap((path) => describe(path, files.get(path))))
  }
  if (what === 'tree') {
    const files = filesOf(repo, rest)
    return Response.json([...files].flatMap(([path, file]) => describe(path, file)))
  }
  if (what === 'commit') return await commit(await request.text(), repo, name, { rest, url, context })
  return notFound('EntryNotFound')
}

type Line =
  | { key: 'header'; value: { summary: string; parentCommit?: string } }
  | { key: 'file'; value: { path: string; content: string; encoding: string } }
  | { key: 'lfsFile'; value: { path: string; oid: string; size: number } }

async function commit(
  body: string,
  repo: StoredRepo,
  name: string,
  { rest, url, context }: { rest: string; url: URL; context: Context },
): Promise<Response> {
  const isPr = url.searchParams.get('create_pr') === '1'
  const onto = repo.refs.get(rest)
  if (onto === undefined) return notFound('RevisionNotFound')
  const files = new Map(filesOf(repo, rest))
  for (const text of body.split('\n')) {
    const line: Line = parse(text)
    if (line.key === 'header') repo.titles.push(line.value.summary)
    if (line.key === 'file')
      files.set(line.value.path, {
        content: new Uint8Array(Buffer.from(line.value.content, 'base64')),
        lfs: false,
      })
    if (line.key === 'lfsFile') {
      const content = context.objects.get(line.value.oid)
      if (content === undefined)
        return Response.json({ error: `${line.value.path} was not uploaded` }, { status: 400 })
      files.set(line.value.path, { content, lfs: true })
    }
  }
  const oid = createHash('sha1').update(`${repo.commits.size}`).digest('hex')
  repo.commits.set(oid, files)
  const number = [...repo.refs.keys()].filter((ref) => ref.startsWith('refs/pr/')).length + 1
  if (isPr) repo.refs.set(`refs/pr/${number}`, [...onto, oid])
  else onto.push(oid)
  if (context.state.loseCommit) return new Response('', { status: 504 })
  return Response.json({
    success: true,
    commitOid: oid,
    commitUrl: `${url.origin}/${name}/commit/${oid}`,
    ...(isPr ? { pullRequestUrl: `${url.origin}/${name}/discussions/${number}` } : {}),
  })
}

function lfsBatch(
  { objects, transfers }: { objects: { oid: string; size: number }[]; transfers: string[] },
  { objects: stored, state }: Context,
  storage: string,
): Response {
  const { partBytes } = state
  const transfer = partBytes !== undefined && transfers.includes('multipart') ? 'multipart' : 'basic'
  return Response.json({
    transfer,
    objects: objects.map(({ oid, size }) => {
      if (stored.has(oid)) return { oid, size }
      const count = Math.ceil(size / (partBytes ?? size))
      const header: Record<string, string> = transfer === 'basic' ? {} : { chunk_size: String(partBytes) }
      if (transfer === 'multipart')
        for (let part = 1; part <= count; part++)
          header[String(part).padStart(5, '0')] = `${storage}/${oid}/${part}`
      return { oid, size, actions: { upload: { href: `${storage}/${oid}`, header } } }
    }),
  })
}

function resolveFile(request: Request, repo: StoredRepo, ref: string, path: string): Response {
  const sha = commitOf(repo, ref)
  if (sha === undefined) return notFound('RevisionNotFound')
  const file = filesOf(repo, ref).get(path)
  if (file === undefined) return notFound('EntryNotFound')
  const { content, lfs } = file
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '')
  const start = Number(range?.[1] ?? 0)
  const end = range === null || range[2] === '' ? content.length : Number(range[2]) + 1
  const headers: Record<string, string> = {
    etag: `"${lfs ? sha256(content) : gitId(content)}"`,
    'x-repo-commit': sha,
    'accept-ranges': 'bytes',
    'x-linked-size': String(content.length),
  }
  if (range !== null)
    headers['content-range'] = `bytes ${start}-${Math.min(end, content.length) - 1}/${content.length}`
  if (request.method === 'HEAD')
    return new Response(null, { headers: { ...headers, 'content-length': String(content.length) } })
  return new Response(content.slice(start, end), { status: range === null ? 200 : 206, headers })
}

function describe(path: string, file: StoredFile | undefined): Record<string, unknown>[] {
  if (file === undefined) return []
  const { content, lfs } = file
  const size = content.length
  return [
    {
      type: 'file',
      path,
      size,
      oid: lfs ? 'b'.repeat(40) : gitId(content),
      ...(lfs ? { lfs: { oid: sha256(content), size, pointerSize: 130 } } : {}),
    },
  ]
}

function commitOf(repo: StoredRepo, ref: string): string | undefined {
  return repo.refs.get(ref)?.at(-1) ?? (repo.commits.has(ref) ? ref : undefined)
}

function filesOf(repo: StoredRepo | undefined, ref: string): ReadonlyMap<string, StoredFile> {
  if (repo === undefined) return new Map()
  return repo.commits.get(commitOf(repo, ref) ?? '') ?? new Map()
}

function notFound(code: string): Response {
  return Response.json({ error: code }, { status: 404, headers: { 'x-error-code': code } })
}
