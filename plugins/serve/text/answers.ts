/**
 * Texts of a chat as they come: what the model says, and at the end the tools that it calls.
 */
import type { ToolCall } from '../tools/tool-format.ts'
import type { ToolUse } from '../tools/tool-use.ts'
import { watchForcedCall } from '../tools/forced-call.ts'
import { type ToolWatch, watchForTools } from '../tools/tool-watch.ts'
import type { WrittenToken } from './text-writer.ts'
import type { WritingEnd, WritingEvent } from './writing.ts'

/** What happens to the answer of an index. */
export type AnswerEvent =
  | {
      readonly type: 'text'
      readonly index: number
      readonly text: string
      readonly tokens: readonly WrittenToken[]
    }
  | {
      readonly type: 'end'
      readonly index: number
      readonly calls: readonly ToolCall[]
      readonly end: WritingEnd
    }

/** `use` null: texts are texts. A text event may have an empty text, when its tokens are part of what is held back. */
export async function* answersOf(
  events: AsyncIterable<WritingEvent>,
  use: ToolUse | null,
): AsyncIterable<AnswerEvent> {
  const watches = new Map<number, ToolWatch>()
  const watchOf = (index: number, { format, tools, forced }: ToolUse): ToolWatch => {
    const watch = watches.get(index) ?? (forced ? watchForcedCall(format) : watchForTools(format, tools))
    watches.set(index, watch)
    return watch
  }
  for await (const event of events) {
    const { index } = event
    if (event.type === 'piece') {
      const { text, tokens } = event.piece
      yield { type: 'text', index, text: use ? watchOf(index, use).push(text) : text, tokens }
      continue
    }
    const { text, calls } = use ? watchOf(index, use).end() : NOTHING
    if (text !== '') yield { type: 'text', index, text, tokens: [] }
    yield { type: 'end', index, calls, end: event.end }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NOTHING = { text: '', calls: [] } as const
