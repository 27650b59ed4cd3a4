/** Which parts of the text are trained for each turn: what differs when it differs, or what the template itself marks. */
import type { CharSpan } from '../../core/mod.ts'
import type { TurnPlace } from './chat-spans.ts'
import type { ChatTurn } from './chat-turns.ts'

/**
 * Spans per turn; undefined where nothing tells. `generations`: the `{% generation %}` blocks of the template. A block
 * belongs to the last turn that begins before the block ends; when a turn was not found and there are as many blocks as
 * turns of the assistant, they belong in order.
 */
export function assignGenerations(
  turns: readonly ChatTurn[],
  places: readonly TurnPlace[],
  generations: readonly CharSpan[] | undefined,
): (readonly CharSpan[] | undefined)[] {
  const blocks = (generations ?? []).filter(({ start, end }) => end > start)
  const owners = blocks.map(({ end }) =>
    places.findLastIndex(({ spans }) => spans.length > 0 && spans[0].start <= end),
  )
  const speakers = turns.flatMap(({ message }, i) => (message.role === 'assistant' ? [i] : []))
  return turns.map(({ message }, i) => {
    const { spans } = places[i]
    const own = spans.length === 0 ? undefined : spans
    if (blocks.length === 0 || message.role !== 'assistant') return own
    if (own === undefined) {
      return blocks.length === speakers.length ? [blocks[speakers.indexOf(i)]] : undefined
    }
    const marked = blocks.filter((_, b) => owners[b] === i)
    return marked.length === 0 ? own : marked
  })
}
