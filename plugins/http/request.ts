/**
 * A request as handlers get it: path and query taken apart, the body read when it is asked for, and not more of it than allowed.
 */
import { headerOf, type HttpHeaders, type HttpQuery, type RequestMessage } from './node-message.ts'
import { HttpRefusal } from './refusal.ts'

/** What somebody asked. */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  /** Of the path: `/api/runs/:run` gives `run`. */
  readonly params: Readonly<Record<string, string>>
  readonly query: HttpQuery
  readonly headers: HttpHeaders
  /** Aborted when the client goes away, reads nothing for too long, or the server closes. */
  readonly signal: AbortSignal
  /** The body as JSON. Throws 413 when it is too long, 415 when it is said to be something else, 400 when it is no JSON. */
  json(): Promise<unknown>
  /**
   * The body as it comes, for what is large: said to be `application/octet-stream`, with its length. Throws 415, 411, 413 beyond `maxBytes`, and 400 when less
   * comes than was said.
   */
  bytes(maxBytes: number): HttpBytes
}

/** A body of bytes. */
export interface HttpBytes extends AsyncIterable<Uint8Array> {
  /** As the request says; no more and no less comes. */
  readonly length: number
}

export interface RequestOptions {
  readonly params: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Of the body. */
  readonly maxBytes: number
}

/** Where a request goes. */
export interface HttpAddress {
  readonly pathname: string
  readonly searchParams: HttpQuery
}

export function readRequest(
  message: RequestMessage,
  { pathname, searchParams }: HttpAddress,
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
      expectType(message, 'application/json')
      return parse(await readText(message, maxBytes))
    },
    bytes(most) {
      expectType(message, 'application/octet-stream')
      const length = Number(headerOf(message.headers, 'content-length') ?? Number.NaN)
      if (!Number.isSafeInteger(length) || length < 0)
        throw new HttpRefusal(411, 'the request does not say how long its body is', {
          remedy: 'send its length as content-length, and no pieces (transfer-encoding: chunked)',
        })
      if (length > most) throw tooLong(length, most)
      return { length, [Symbol.asyncIterator]: () => wholeBody(message, length) }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A form of another page cannot say so. */
function expectType(message: RequestMessage, wanted: string): void {
  const type = headerOf(message.headers, 'content-type') ?? ''
  if (type.split(';')[0].trim().toLowerCase() === wanted) return
  throw new HttpRefusal(415, `expected content-type: ${wanted}, got ${type || 'none'}`, {
    remedy: `send the header content-type: ${wanted}, and a body that is so`,
  })
}

function tooLong(bytes: number, maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `the body has ${bytes} bytes or more, at most ${maxBytes} are read`, {
    remedy: 'send less in one request',
    headers: { connection: 'close' },
  })
}

async function readText(message: RequestMessage, maxBytes: number): Promise<string> {
  const said = Number(headerOf(message.headers, 'content-length') ?? 0)
  if (said > maxBytes) throw tooLong(said, maxBytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of limited(message, maxBytes)) chunks.push(chunk)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new HttpRefusal(400, 'the body is not UTF-8', { remedy: 'send it as UTF-8', cause })
  }
}

async function* limited(message: RequestMessage, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of message) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLong(bytes, maxBytes)
    yield chunk
  }
}

/** A client that went away in the middle is no end of the body. */
async function* wholeBody(message: RequestMessage, length: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of limited(message, length)) {
    bytes += chunk.byteLength
    yield chunk
  }
  if (bytes !== length)
    throw new HttpRefusal(400, `only ${bytes} bytes came, of ${length}`, {
      remedy: 'send it again, with its true length as content-length',
    })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HttpRefusal(400, `the body is no JSON: ${reason}`, {
      remedy: 'send one JSON value, as of JSON.stringify',
      cause,
    })
  }
}
