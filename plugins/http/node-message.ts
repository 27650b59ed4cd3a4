/**
 * What is used of the messages of node:http. Types of a runtime do not stand in what the package declares: who compiles against it may have none.
 */

/** Names in lower case; a list where one came several times. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** The query of an address. */
export interface HttpQuery {
  /** The first one of the name; null: there is none. */
  get(name: string): string | null
}

/** An `IncomingMessage`: head, and the body as bytes. */
export interface RequestMessage extends AsyncIterable<unknown> {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: HttpHeaders
}

/** A `ServerResponse`. */
export interface ResponseStream {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown
  flushHeaders(): void
  /** False: its reader is behind, and `drain` tells when it is not any more. */
  write(piece: string | Uint8Array): boolean
  end(last?: string | Uint8Array): unknown
  destroy(): unknown
  on(event: 'drain' | 'close', listener: () => void): unknown
  off(event: 'drain' | 'close', listener: () => void): unknown
}

/** The value of a header; undefined: it is not there, or came several times. */
export function headerOf(headers: HttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
