/**
 * Replies, and how they are sent: a stream waits for its reader, and is given up when that reads nothing for too long.
 */
import type { RequestMessage, ResponseStream } from './node-message.ts'

/** A text or bytes, or pieces that are sent as they come. */
export type ReplyBody = string | Uint8Array | AsyncIterable<string | Uint8Array>

/** What a handler answers. */
export interface HttpReply {
  /** Default: 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: ReplyBody
}

/** A value as JSON. */
export function jsonReply(
  value: unknown,
  { status = 200, headers = {} }: Omit<HttpReply, 'body'> = {},
): HttpReply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(value),
  }
}

/** Of every reply. What a page may do: its own scripts, styles and requests, nothing from elsewhere, nobody's frame. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

export interface SendOptions {
  readonly signal: AbortSignal
  /** Of a reader that takes nothing. */
  readonly stallSeconds: number
}

/** Resolves when all is handed over, the client is gone, or it was given up. What the pieces throw ends the connection, and is thrown. */
export async function sendReply(
  { method }: Pick<RequestMessage, 'method'>,
  response: ResponseStream,
  { status = 200, headers = {}, body }: HttpReply,
  options: SendOptions,
): Promise<void> {
  response.writeHead(status, { ...HEADERS, ...headers, ...lengthOf(body) })
  if (method === 'HEAD') {
    response.end()
    return
  }
  const isWhole = typeof body === 'string' || body instanceof Uint8Array
  const pieces = isWhole ? piecesOf(body) : body
  if (pieces === null) {
    if (isWhole) response.end(body)
    return
  }
  try {
    await sendPieces(response, pieces, options)
  } catch (error) {
    response.destroy()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function lengthOf(body: ReplyBody): Record<string, string> {
  if (typeof body === 'string') return { 'content-length': `${Buffer.byteLength(body)}` }
  return body instanceof Uint8Array ? { 'content-length': `${body.byteLength}` } : {}
}

/** Bytes of a body that are sent in one piece, whether its reader takes them or not. */
const PIECE = 64 << 10

/** A long body, piece by piece, so that a reader who takes nothing is noticed; null: it is short. */
function piecesOf(body: string | Uint8Array): AsyncIterable<Uint8Array> | null {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  if (bytes.byteLength <= PIECE) return null
  return (async function* () {
    for (let at = 0; at < bytes.byteLength; at += PIECE) yield bytes.subarray(at, at + PIECE)
  })()
}

async function sendPieces(
  response: ResponseStream,
  pieces: AsyncIterable<string | Uint8Array>,
  { signal, stallSeconds }: SendOptions,
): Promise<void> {
  response.flushHeaders()
  // Leaving the loop tells the pieces that nobody wants more.
  for await (const piece of pieces) {
    if (signal.aborted) return
    if (response.write(piece)) continue
    if (!(await drained(response, signal, stallSeconds))) {
      response.destroy()
      return
    }
  }
  if (!signal.aborted) response.end()
}

/** False: the client is gone, or took nothing in time. */
async function drained(response: ResponseStream, signal: AbortSignal, seconds: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const done = (went: boolean) => (): void => {
      clearTimeout(timer)
      response.off('drain', onDrain)
      response.off('close', onGone)
      signal.removeEventListener('abort', onGone)
      resolve(went)
    }
    const onDrain = done(true)
    const onGone = done(false)
    const timer = setTimeout(onGone, seconds * 1000)
    response.on('drain', onDrain)
    response.on('close', onGone)
    signal.addEventListener('abort', onGone)
    if (signal.aborted) onGone()
  })
}
