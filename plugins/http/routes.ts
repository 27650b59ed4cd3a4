/**
 * Paths and what answers them: `/api/runs/:run` gives `run`, decoded. The first that fits, in the order given.
 */
import { HttpRefusal } from './refusal.ts'
import type { HttpReply } from './reply.ts'
import type { HttpRequest } from './request.ts'

/** What a route may be asked with. HEAD is GET without its content. */
export type HttpMethod = 'GET' | 'POST' | 'DELETE'

/** Answers one request. What it throws becomes a reply. */
export type HttpHandler = (request: HttpRequest) => HttpReply | Promise<HttpReply>

/** One path of a server. */
export interface Route {
  readonly method: HttpMethod
  /** `/api/runs/:run` */
  readonly path: string
  /** Answered without a token. What is open changes nothing and tells nothing about anybody; default: false. */
  readonly open?: boolean
  readonly handle: HttpHandler
}

export interface FoundRoute {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** Throws 404 for a path that is not there, 405 for a method that it does not have. */
export function findRoute(routes: readonly Route[], method: string, path: string): FoundRoute {
  const wanted = method === 'HEAD' ? 'GET' : method
  const fitting = routes.flatMap((route) => {
    const params = paramsOf(route.path, path)
    return params === null ? [] : [{ route, params }]
  })
  const found = fitting.find(({ route }) => route.method === wanted)
  if (found) return found
  if (fitting.length === 0)
    throw new HttpRefusal(404, `there is no ${path} here`, {
      remedy: 'check the path; the address that the server printed at its start has the page',
    })
  const methods = [...new Set(fitting.map(({ route }) => route.method))].join(', ')
  throw new HttpRefusal(405, `${path} takes ${methods}, not ${method}`, {
    remedy: `ask with ${methods}`,
    headers: { allow: methods },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function paramsOf(pattern: string, path: string): Record<string, string> | null {
  const names = pattern.split('/')
  const parts = path.split('/')
  if (names.length !== parts.length) return null
  const params: Record<string, string> = {}
  for (const [i, name] of names.entries()) {
    if (!name.startsWith(':')) {
      if (name !== parts[i]) return null
      continue
    }
    const value = decoded(parts[i])
    if (value === undefined || value === '') return null
    params[name.slice(1)] = value
  }
  return params
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
