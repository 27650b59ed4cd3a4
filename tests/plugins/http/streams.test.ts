/**
 * Replies of many pieces: they come as they are made, wait for their reader, and end when there is none.
 */
import { expect, test } from 'bun:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  eventReply,
  type HttpServer,
  openHttpServer,
  type Route,
  type ServerSentEvent,
  serverSentText,
} from '../../../plugins/http/mod.ts'
import { neverRead } from './_raw.ts'

const open = async (
  routes: readonly Route[],
  options: { stallSeconds?: number; onBug?(error: unknown): void } = {},
): Promise<HttpServer> =>
  await openHttpServer({
    token: null,
    routes,
    onBug: (error) => {
      throw error
    },
    ...options,
  })

/** Waits for what has to come soon. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i++) await sleep(10)
  expect(holds()).toBeTrue()
}

test('an event comes when it is made, not at the end', async () => {
  const go = Promise.withResolvers<void>()
  async function* events(): AsyncGenerator<ServerSentEvent> {
    yield { data: 'first' }
    await go.promise
    yield { event: 'done', id: '7', data: 'two\nlines' }
  }
  await using server = await open([{ method: 'GET', path: '/', handle: () => eventReply(events()) }])
  const reader = (await fetch(server.url)).body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe('data: first\n\n')
  go.resolve()
  expect((await reader?.read())?.value).toBe('event: done\nid: 7\ndata: two\ndata: lines\n\n')
  expect((await reader?.read())?.done).toBeTrue()
})

test('a comment is sent where no event comes', async () => {
  async function* late(signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    yield { data: 'too late' }
  }
  await using server = await open([
    { method: 'GET', path: '/', handle: ({ signal }) => eventReply(late(signal), { pingSeconds: 0.05 }) },
  ])
  const reader = (await fetch(server.url)).body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe(': still here\n\n')
  await reader?.cancel()
})

test('a client that goes away ends the stream: its signal and its pieces', async () => {
  let ended = false
  let aborted = false
  async function* pieces(signal: AbortSignal): AsyncGenerator<string> {
    signal.addEventListener('abort', () => (aborted = true))
    try {
      while (true) {
        yield 'x'
        await sleep(5)
      }
    } finally {
      ended = true
    }
  }
  await using server = await open([
    { method: 'GET', path: '/', handle: ({ signal }) => ({ body: pieces(signal) }) },
  ])
  const stop = new AbortController()
  const reply = await fetch(server.url, { signal: stop.signal })
  await reply.body?.getReader().read()
  stop.abort()
  await until(() => aborted && ended)
})

test('a client that never reads is waited for, then given up', async () => {
  let made = 0
  let ended = false
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      while (true) {
        made++
        yield new Uint8Array(1 << 20)
      }
    } finally {
      ended = true
    }
  }
  await using server = await open([{ method: 'GET', path: '/', handle: () => ({ body: pieces() }) }], {
    stallSeconds: 0.3,
  })
  const socket = neverRead(server.port, '/')
  await until(() => made > 0)
  await sleep(100)
  // What the system buffers of a connection, and no more.
  expect(made).toBeLessThan(40)
  expect(ended).toBeFalse()
  await until(() => ended)
  socket.destroy()
})

test('close() ends what is under way', async () => {
  let aborted = false
  const server = await open([
    {
      method: 'GET',
      path: '/',
      handle: ({ signal }) => {
        signal.addEventListener('abort', () => (aborted = true))
        return eventReply(waiting(signal))
      },
    },
  ])
  async function* waiting(signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    yield { data: '1' }
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  const reader = (await fetch(server.url)).body?.getReader()
  await reader?.read()
  await Promise.all([server.close(), server.close()])
  expect(aborted).toBeTrue()
  await reader?.read().catch(() => {})
})

test('pieces that fail end the connection, and the failure is told', async () => {
  const bugs: unknown[] = []
  async function* pieces(): AsyncGenerator<string> {
    yield 'half of'
    throw new Error('broken')
  }
  await using server = await open([{ method: 'GET', path: '/', handle: () => ({ body: pieces() }) }], {
    onBug: (error) => bugs.push(error),
  })
  await expect(fetch(server.url).then(async (reply) => await reply.text())).rejects.toThrow()
  await until(() => bugs.length === 1)
})

test('text in an event cannot make another event', () => {
  expect(serverSentText({ event: 'a\nb', data: 'x\r\n\r\ndata: y\rz' })).toBe(
    'event: a b\ndata: x\ndata: \ndata: data: y\ndata: z\n\n',
  )
})
