/**
 * Values from callbacks, taken one by one with `for await`. Unbounded: who puts values in knows how many come.
 */

/** Ends when it is closed, throws when it failed, both after the values before. Taken from by one reader. */
export interface Channel<T> extends AsyncIterable<T> {
  push(value: T): void
  close(): void
  fail(error: unknown): void
}

export function createChannel<T>(): Channel<T> {
  const values: T[] = []
  let end: { readonly error: unknown } | 'closed' | null = null
  let wake = (): void => {}
  const finish = (how: NonNullable<typeof end>): void => {
    end ??= how
    wake()
  }
  return {
    push(value) {
      if (end !== null) return
      values.push(value)
      wake()
    },
    close: () => finish('closed'),
    fail: (error) => finish({ error }),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield* values.splice(0)
        if (end === 'closed') return
        if (end !== null) throw end.error
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
