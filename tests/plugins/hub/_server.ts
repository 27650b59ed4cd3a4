/** A small Hugging Face hub on this machine: revisions, trees with pages, redirects, ranges, gates and broken bodies. */

import { createHash } from 'node:crypto'

export interface FakeFile {
  readonly content: Uint8Array<ArrayBuffer>
  /** Large files are announced with sha256 and served by another host. */
  readonly large?: boolean
}

export interface FakeHub extends Disposable {
  readonly endpoint: string
  /** Every request: `GET /path range=… auth=…`. */
  readonly log: string[]
  /** Called before the content of a file is served; a response replaces it. */
  intercept: (path: string, request: Request) => Response | undefined
  /** Token that is needed, if any. */
  token: string | undefined
  /** Answers for the metadata, by default none. */
  refuse: ((url: URL) => Response | undefined) | undefined
}

export const COMMIT: string = 'a'.repeat(40)

export function fakeHub(
  repo: string,
  files: Record<string, FakeFile>,
  {
    pageSize = 3,
    ranges = true,
    kind = 'models',
  }: { pageSize?: number; ranges?: boolean; kind?: 'models' | 'datasets' } = {},
): FakeHub {
  const log: string[] = []
  const state: { intercept: FakeHub['intercept']; token: string | undefined; refuse: FakeHub['refuse'] } = {
    intercept: () => undefined,
    token: undefined,
    refuse: undefined,
  }
  const record = (prefix: string, request: Request): URL => {
    const url = new URL(request.url)
    const range = request.headers.get('range')
    const auth = request.headers.get('authorization')
    log.push(
      `${prefix}${url.pathname}${range === null ? '' : ` ${range}`}${auth === null ? '' : ` auth=${auth}`}`,
    )
    return url
  }
  const serve = (path: string, request: Request): Response => {
    const replaced = state.intercept(path, request)
    if (replaced !== undefined) return replaced
    const { content } = files[path]
    const start = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.get('range') ?? '')?.[1] ?? 0) : 0
    if (start >= content.length && start > 0) return new Response('', { status: 416 })
    const headers: Record<string, string> =
      start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}
    return new Response(content.slice(start), { status: start > 0 ? 206 : 200, headers })
  }
  const cdn = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => serve(decodeURIComponent(record('cdn', request).pathname.slice(1)), request),
  })
  const hub = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const url = record('', request)
      const refused = state.refuse?.(url)
      if (refused !== undefined) return refused
      if (state.token !== undefined && request.headers.get('authorization') !== `Bearer ${state.token}`) {
        return new Response('', {
          status: 401,
          headers: { 'x-error-code': 'GatedRepo', 'x-error-message': 'Access is restricted' },
        })
      }
      if (url.pathname.startsWith(`/api/${kind}/${repo}/revision/`)) return Response.json({ sha: COMMIT })
      if (url.pathname === `/api/${kind}/${repo}/tree/${COMMIT}`) {
        const all = Object.entries(files).map(([path, file]) => describeFile(path, file))
        const from = Number(url.searchParams.get('cursor') ?? 0)
        const more = from + pageSize < all.length
        const link = `<${url.origin}${url.pathname}?recursive=true&cursor=${from + pageSize}>; rel="next"`
        return Response.json(
          [{ type: 'directory', path: 'sub', oid: 'x', size: 0 }, ...all.slice(from, from + pageSize)],
          {
            headers: more ? { link } : {},
          },
        )
      }
      const prefix = `/${kind === 'models' ? '' : 'datasets/'}${repo}/resolve/${COMMIT}/`
      const path = decodeURIComponent(url.pathname.slice(prefix.length))
      if (!url.pathname.startsWith(prefix) || !(path in files)) {
        return new Response('', { status: 404, headers: { 'x-error-code': 'RepoNotFound' } })
      }
      if (files[path].large !== true) return serve(path, request)
      return new Response('', { status: 302, headers: { location: `http://127.0.0.1:${cdn.port}/${path}` } })
    },
  })
  return Object.assign(state, {
    endpoint: `http://127.0.0.1:${hub.port}`,
    log,
    [Symbol.dispose]() {
      void hub.stop(true)
      void cdn.stop(true)
    },
  })
}

export function text(content: string): FakeFile {
  return { content: new TextEncoder().encode(content) }
}

/** Bytes that look random, so that a shifted part has another hash. */
export function large(bytes: number): FakeFile {
  const content = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i++) content[i] = (i * 2654435761) >>> 13
  return { content, large: true }
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

export function gitId(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

function describeFile(path: string, { content, large: isLarge }: FakeFile): Record<string, unknown> {
  const size = content.length
  if (isLarge !== true) return { type: 'file', path, size, oid: gitId(content) }
  return {
    type: 'file',
    path,
    size,
    oid: 'b'.repeat(40),
    lfs: { oid: sha256(content), size, pointerSize: 130 },
  }
}
