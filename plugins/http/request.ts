/**
 * A request as handlers get it: path and query taken apart, the body read when it is asked for, and not more of it than allowed.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { HttpRefusal } from './refusal.ts'

/** What somebody asked. */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  /** Of the path: `/api/runs/:run` gives `run`. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Aborted when the client goes away, reads nothing for too long, or the server closes. */
  readonly signal: AbortSignal
  /** The body as JSON. Throws 413 when it is too long, 415 when it is said to be something else, 400 when it is no JSON. */
  json(): Promise<unknown>
}

export interface RequestOptions {
  readonly params: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Of the body. */
  readonly maxBytes: number
}

export function readRequest(
  message: IncomingMessage,
  { pathname, searchParams }: URL,
  { params, signal, maxBytes }: RequestOptions,
): HttpRequest {
  return {
    method: message.method ?? 'GET',
    path: pathname,
    params,
    query: searchParams,
    headers: message.headers,
    signal,
    async json() {
      const type = message.headers['content-type'] ?? ''
      // A form of another page cannot say so.
      if (!/^application\/json\s*(;|$)/i.test(type))
        throw new HttpRefusal(415, `expected content-type: application/json, got ${type || 'none'}`)
      return parse(await readBody(message, maxBytes))
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function readBody(message: IncomingMessage, maxBytes: number): Promise<string> {
  const tooLong = (bytes: number): HttpRefusal =>
    new HttpRefusal(413, `the body has ${bytes} bytes or more, at most ${maxBytes} are read`, {
      headers: { connection: 'close' },
    })
  const said = Number(message.headers['content-length'] ?? 0)
  if (said > maxBytes) throw tooLong(said)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of message) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLong(bytes)
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new HttpRefusal(400, 'the body is not UTF-8', { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HttpRefusal(400, `the body is no JSON: ${reason}`, { cause })
  }
}
