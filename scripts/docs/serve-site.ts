/** A server of the built site on loopback, out of memory, for looking at it in a browser. */

export interface ServedSite extends Disposable {
  readonly url: string
  /** What was asked for and is not there. */
  readonly missing: readonly string[]
}

export interface ServeOptions {
  /** Isolates the pages, so that their workers may share memory. */
  readonly isolated?: boolean
}

export function serveSite(
  site: ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>,
  { isolated = false }: ServeOptions = {},
): ServedSite {
  const missing: string[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const path = decodeURIComponent(new URL(request.url).pathname.slice(1)) || 'index.html'
      const content = site.get(path)
      if (content === undefined) {
        missing.push(path)
        return new Response('not here', { status: 404 })
      }
      return new Response(content, {
        headers: { 'content-type': typeOf(path), ...(isolated && ISOLATION) },
      })
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}/`,
    missing,
    [Symbol.dispose]: () => void server.stop(true),
  }
}

const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
} as const

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  png: 'image/png',
  wasm: 'application/wasm',
}

function typeOf(path: string): string {
  return TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'text/plain; charset=utf-8'
}
