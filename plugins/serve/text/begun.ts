/**
 * A stream whose first value is awaited before it is answered.
 */

/** Takes the first event, so that what fails before it is an answer of its own and no broken stream; then gives all. */
export async function begun<T>(events: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = events[Symbol.asyncIterator]()
  const first = await iterator.next()
  return {
    async *[Symbol.asyncIterator]() {
      let next = first
      while (next.done !== true) {
        yield next.value
        next = await iterator.next()
      }
    },
  }
}
