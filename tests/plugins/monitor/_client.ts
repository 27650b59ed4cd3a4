/** A client of the page's server, for tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'bun:test'
import type { WebMonitor } from '../../../plugins/monitor/mod.ts'

export interface Answer {
  readonly status: number
  /** What came as JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

/** With a body it is a POST. */
export async function ask(
  { port, token }: Pick<WebMonitor, 'port' | 'token'>,
  path: string,
  {
    body,
    headers = {},
  }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

export interface StreamEvent {
  readonly kind: string
  readonly data: unknown
}

export interface EventStream extends Disposable {
  /** All that came so far. */
  readonly events: readonly StreamEvent[]
  /** The first event that fits, when it comes; fails after some seconds. */
  until(fits: (event: StreamEvent) => boolean): Promise<StreamEvent>
}

export async function openStream(
  { port, token }: Pick<WebMonitor, 'port' | 'token'>,
  path: string,
): Promise<EventStream> {
  const stop = new AbortController()
  const events: StreamEvent[] = []
  const { body } = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  })
  void readInto(events, body).catch(() => {})
  return {
    events,
    async until(fits) {
      for (let i = 0; i < 500; i++) {
        const found = events.find(fits)
        if (found) return found
        await sleep(20)
      }
      throw new Error(`no such event came, of ${JSON.stringify(events.map(({ kind }) => kind))}`)
    },
    [Symbol.dispose]: () => stop.abort(),
  }
}

/** Waits for what has to come soon. */
export async function until(holds: () => boolean, seconds = 20): Promise<void> {
  for (let i = 0; i < seconds * 50 && !holds(); i++) await sleep(20)
  expect(holds()).toBeTrue()
}

async function readInto(
  events: StreamEvent[],
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): Promise<void> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const kind = /^event: (.*)$/m.exec(block)?.[1]
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (kind !== undefined && data !== undefined) events.push({ kind, data: JSON.parse(data) })
    }
  }
}
