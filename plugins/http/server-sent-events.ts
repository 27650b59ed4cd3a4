/**
 * Server-sent events as the HTML standard writes them: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { HttpReply } from './reply.ts'

/** One event of a stream. */
export interface ServerSentEvent {
  /** Its kind; not given: `message`. */
  readonly event?: string
  readonly data: string
  /** What a client that lost its connection says it saw last. */
  readonly id?: string
}

/** The lines of one event, with the empty one that ends it. */
export function serverSentText({ event, data, id }: ServerSentEvent): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`)
  const field = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${name}: ${value.replaceAll(/[\r\n\0]/g, ' ')}`]
  return `${[...field('event', event), ...field('id', id), ...lines].join('\n')}\n\n`
}

/** A stream of events. Every `pingSeconds` without one a comment is sent, so that a connection that broke is noticed; 0: never. */
export function eventReply(
  events: AsyncIterable<ServerSentEvent>,
  { pingSeconds = 15 }: { readonly pingSeconds?: number } = {},
): HttpReply {
  return {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' },
    body: textOf(events, pingSeconds),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function* textOf(events: AsyncIterable<ServerSentEvent>, pingSeconds: number): AsyncGenerator<string> {
  const iterator = events[Symbol.asyncIterator]()
  let next = iterator.next()
  try {
    while (true) {
      const got = pingSeconds > 0 ? await inTime(next, pingSeconds) : await next
      if (got === null) {
        yield ': still here\n\n'
        continue
      }
      if (got.done === true) return
      yield serverSentText(got.value)
      next = iterator.next()
    }
  } finally {
    // Not awaited: it may be waiting for an event that never comes; its own signal ends it.
    next.catch(() => {})
    iterator.return?.().catch(() => {})
  }
}

async function inTime<T>(promise: Promise<T>, seconds: number): Promise<T | null> {
  const late = Promise.withResolvers<null>()
  const timer = setTimeout(() => late.resolve(null), seconds * 1000)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
