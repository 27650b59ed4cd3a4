/**
 * Things that are pushed at any time and taken one after the other: what turns callbacks into a stream.
 */

/** Ends when its signal does. */
export interface EventQueue<T> extends AsyncIterable<T> {
  push(value: T): void
}

export function createEventQueue<T>(signal: AbortSignal): EventQueue<T> {
  const waiting: T[] = []
  let wake = (): void => {}
  signal.addEventListener('abort', () => wake())
  return {
    push(value) {
      waiting.push(value)
      wake()
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        const next = waiting.shift()
        if (next !== undefined) {
          yield next
          continue
        }
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
