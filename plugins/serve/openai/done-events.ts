/**
 * A stream of objects as OpenAI sends it: one event each, then `[DONE]`. An error in the middle is an event too, after which the stream ends.
 */
import type { ServerSentEvent } from '../../http/mod.ts'
import { errorBody } from '../wire/error-body.ts'

/** `onBug` gets what is no error of tritune. */
export async function* eventsUntilDone(
  objects: AsyncIterable<object>,
  onBug: (error: unknown) => void,
): AsyncIterable<ServerSentEvent> {
  try {
    for await (const object of objects) yield { data: JSON.stringify(object) }
    yield { data: '[DONE]' }
  } catch (error) {
    yield { data: JSON.stringify(errorBody(error, onBug)) }
  }
}
