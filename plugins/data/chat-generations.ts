/** Which parts of the text are trained for each turn: what differs when it differs, or what the template itself marks. */
import type { CharSpan } from '../../core/mod.ts'
import type { TurnPlace } from './chat-spans.ts'
import type { ChatTurn } from './chat-turns.ts'

/**
 * Spans per turn; undefined where nothing tells. `generations`: the `{% generation %}` blocks of the template. A block
 * belongs to the turn of the assistant that it overlaps; when there are as many blocks as such turns, they belong in order.
 */
export function assignGenerations(
  turns: readonly ChatTurn[],
  places: readonly TurnPlace[],
  generations: readonly CharSpan[] | undefined,
): (readonly CharSpan[] | undefined)[] {
  const blocks = (generations ?? []).filter(({ start, end }) => end > start)
  const speakers = turns.flatMap(({ message }, i) => (message.role === 'assistant' ? [i] : []))
  return turns.map(({ message }, i) => {
    const { span } = places[i]
    const own = span && [span]
    if (blocks.length === 0 || message.role !== 'assistant') return own
    if (span !== undefined) {
      const overlapping = blocks.filter(({ start, end }) => start <= span.end && end >= span.start)
      return overlapping.length === 0 ? own : overlapping
    }
    return blocks.length === speakers.length ? [blocks[speakers.indexOf(i)]] : undefined
  })
}
