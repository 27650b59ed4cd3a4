/** Which parts of the text are trained for each turn: what differs when it differs, or what the template itself marks. */
import type { CharSpan } from '../../../core/mod.ts'
import type { TurnPlace } from './chat-spans.ts'
import type { ChatTurn } from './chat-turns.ts'

/**
 * Spans per turn; undefined where nothing tells. `generations`: the `{% generation %}` blocks of the template. They are of
 * the turns of the assistant: a block belongs to the turn that it touches, else to the last one that begins before it ends.
 */
export function assignGenerations(
  turns: readonly ChatTurn[],
  places: readonly TurnPlace[],
  generations: readonly CharSpan[] | undefined,
): (readonly CharSpan[] | undefined)[] {
  const blocks = (generations ?? []).filter(({ start, end }) => end > start)
  const starts = beginnings(places)
  const owners = blocks.map((block) => {
    const speakers = turns.flatMap(({ message }, i) => (message.role === 'assistant' ? [i] : []))
    const touched = speakers.find((i) => places[i].spans.some((span) => touches(span, block)))
    return touched ?? speakers.findLast((i) => starts[i] <= block.end)
  })
  return turns.map(({ message }, i) => {
    const own = places[i].spans.length === 0 ? undefined : places[i].spans
    if (message.role !== 'assistant') return own
    const marked = blocks.filter((_, b) => owners[b] === i)
    return marked.length === 0 ? own : marked
  })
}

/** Where each turn begins; for those that were not found, where the ones before them end. */
function beginnings(places: readonly TurnPlace[]): number[] {
  let end = 0
  return places.map(({ spans }) => {
    const start = spans[0]?.start ?? end
    for (const span of spans) end = Math.max(end, span.end)
    return start
  })
}

function touches(a: CharSpan, b: CharSpan): boolean {
  return a.start < b.end && a.end > b.start
}
