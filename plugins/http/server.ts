/**
 * A small HTTP server on `node:http`, which Bun, Deno and Node have alike: routes behind a guard, replies of one piece or of many.
 *
 * It serves this machine. It knows no TLS, no sessions, no files by path.
 */
import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import { TrituneError } from '../../core/mod.ts'
import { createGuard, type Guard, isLoopback } from './guard.ts'
import { HttpRefusal, statusOf } from './refusal.ts'
import { jsonReply, type HttpReply, sendReply } from './reply.ts'
import type { RequestMessage } from './node-message.ts'
import { type HttpAddress, readRequest } from './request.ts'
import { findRoute, type Route } from './routes.ts'

/** What a server is made of. */
export interface HttpServerOptions {
  readonly routes: readonly Route[]
  /** For what is not open; null: nothing needs one, which only an address of this machine alone may have. */
  readonly token: string | null
  /** Address to listen on; default 127.0.0.1, which only this machine reaches. */
  readonly host?: string
  /** Default 0: one that is free. */
  readonly port?: number
  /** Names under which the server is reached, beside localhost and addresses. */
  readonly allowedHosts?: readonly string[]
  /** Of a body; default 16 MiB. */
  readonly maxBytes?: number
  /** How long a reader of a stream may take nothing; default 30. */
  readonly stallSeconds?: number
  /** The body of a reply to an error; default: `{ error: { code, what, where, remedy, message } }`. */
  errorBody?(error: TrituneError, status: number): unknown
  /** Gets what is no `TrituneError`: a bug of a handler. The client is told nothing of it. */
  onBug(error: unknown): void
}

/** A server that runs. */
export interface HttpServer extends AsyncDisposable {
  /** `http://127.0.0.1:7070` */
  readonly url: string
  readonly port: number
  /** Ends what is under way, at once; a second call waits for the first. */
  close(): Promise<void>
}

/**
 * Starts a server; its handlers are called when requests come that the guard lets through.
 *
 * @throws E_BUSY when the port is taken, E_USAGE when the address cannot be used, or is open to others without a token
 *
 * @example
 * ```ts
 * import { jsonReply, newToken, openHttpServer } from 'tritune/plugins/http'
 *
 * const token = newToken()
 * await using server = await openHttpServer({
 *   token,
 *   routes: [{ method: 'GET', path: '/hello/:name', handle: ({ params }) => jsonReply({ hello: params.name }) }],
 *   onBug: console.error,
 * })
 * const ask = (headers: Record<string, string>) => fetch(`${server.url}/hello/you`, { headers })
 * console.log((await ask({})).status) // → 401
 * console.log(await (await ask({ authorization: `Bearer ${token}` })).json()) // → { hello: 'you' }
 * ```
 */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host = '127.0.0.1', port = 0, token, allowedHosts = [] } = options
  if (token === null && !isLoopback(host))
    throw new TrituneError('E_USAGE', `a server on ${host} is reached by others, and has no token`, {
      remedy: 'give it a token, or leave it on 127.0.0.1',
    })
  const guard = createGuard({ token, allowedHosts })
  const closing = new AbortController()
  const server = createServer((message, response) => {
    void answer(message, response, { ...options, guard, closing: closing.signal }).catch(options.onBug)
  })
  // Longer than clients keep what they do not use: they, not we, decide that a connection is over.
  server.keepAliveTimeout = 65_000
  const bound = await listen(server, host, port)
  let closed: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing.abort()
    closed ??= stop(server)
    return closed
  }
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${bound}`,
    port: bound,
    close,
    [Symbol.asyncDispose]: close,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Answering extends HttpServerOptions {
  readonly guard: Guard
  readonly closing: AbortSignal
}

const MAX_BYTES = 16 << 20
const STALL_SECONDS = 30

async function answer(message: IncomingMessage, response: ServerResponse, options: Answering): Promise<void> {
  const gone = new AbortController()
  const signal = AbortSignal.any([gone.signal, options.closing])
  // A client that leaves in the middle of a write is no fault of ours.
  response.on('error', () => gone.abort())
  response.on('close', () => gone.abort())
  const { stallSeconds = STALL_SECONDS } = options
  const send = (reply: HttpReply): Promise<void> =>
    sendReply(message, response, reply, { signal, stallSeconds })
  let reply: HttpReply
  try {
    reply = await handle(message, signal, options)
  } catch (error) {
    if (!(error instanceof TrituneError) && !signal.aborted) options.onBug(error)
    reply = errorReply(error, options)
  }
  if (!response.destroyed) await send(reply)
}

async function handle(
  message: IncomingMessage,
  signal: AbortSignal,
  { guard, routes, maxBytes = MAX_BYTES }: Answering,
): Promise<HttpReply> {
  guard.checkSender(message.headers)
  const url = addressOf(message)
  const { route, params } = findRoute(routes, message.method ?? 'GET', url.pathname)
  if (route.open !== true) guard.checkToken(message.headers)
  return await route.handle(readRequest(message, url, { params, signal, maxBytes }))
}

/** Of the path that was asked for; the host was looked at before. */
function addressOf({ url = '/' }: RequestMessage): HttpAddress {
  const address = url.startsWith('/') ? URL.parse(`http://host${url}`) : null
  if (address === null)
    throw new HttpRefusal(400, 'the path of the request cannot be read', {
      remedy: 'ask for a path that begins with / and is encoded, as of encodeURI',
    })
  return address
}

function errorReply(error: unknown, { errorBody = plainBody }: Answering): HttpReply {
  const told =
    error instanceof TrituneError
      ? error
      : new HttpRefusal(500, 'something went wrong inside of the server', {
          remedy: 'what it was stands where the server was started',
        })
  const status = statusOf(told)
  return jsonReply(errorBody(told, status), {
    status,
    headers: told instanceof HttpRefusal ? told.headers : {},
  })
}

function plainBody({ code, what, place, remedy, message }: TrituneError): unknown {
  return { error: { code, what, where: place ?? null, remedy: remedy ?? null, message } }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  // A name that is none gives an error of chance in some runtimes.
  if (isIP(host) === 0) await lookup(host).catch((cause: Error) => Promise.reject(unbound(cause, host, port)))
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TrituneError('E_USAGE', `cannot listen: there is no port ${port}`, {
      place: `${host}:${port}`,
      remedy: 'name one from 1024 to 65535; 0 takes one that is free',
    })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(unbound(cause, host, port)))
    server.listen({ host, port }, resolve)
  })
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : port
}

function unbound(cause: NodeJS.ErrnoException, host: string, port: number): TrituneError {
  if (cause.code === 'EADDRINUSE')
    return new TrituneError('E_BUSY', `port ${port} is taken`, {
      place: `${host}:${port}`,
      remedy: 'name another with --port; 0 takes one that is free',
      cause,
    })
  return new TrituneError('E_USAGE', `cannot listen: ${cause.message}`, {
    place: `${host}:${port}`,
    remedy: 'name an address of this machine and a port from 1024 on',
    cause,
  })
}

async function stop(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
