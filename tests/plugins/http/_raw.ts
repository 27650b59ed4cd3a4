/** Requests written byte by byte, as no well-behaved client would. */
import { connect, type Socket } from 'node:net'

export interface RawReply {
  readonly status: number
  readonly head: string
  readonly body: string
}

export interface RawRequest {
  readonly method?: string
  readonly path?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends one request over a connection of its own, and reads until the server ends it. */
export async function ask(
  port: number,
  { method = 'GET', path = '/', headers, body = '' }: RawRequest,
): Promise<RawReply> {
  const lines = Object.entries({
    ...headers,
    connection: 'close',
    ...(body === '' ? {} : { 'content-length': `${Buffer.byteLength(body)}` }),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect(port, '127.0.0.1')
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  const text = await allOf(socket)
  const [head, ...rest] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body: rest.join('\r\n\r\n') }
}

/** A client that asks and never reads. */
export function neverRead(port: number, path: string, host = '127.0.0.1'): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  return socket
}

async function allOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  return await new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  })
}
