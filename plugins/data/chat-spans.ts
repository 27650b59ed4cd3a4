/**
 * Where the content of each turn stands in the rendered text of a conversation, found by position: the conversation is
 * rendered again with marks in place of the contents, and what the template wrote between the marks must be in the real
 * text too.
 *
 * Knows characters, not tokens; nothing here depends on any particular template.
 */
import type { ChatMessage } from '../../core/contracts/dataset.ts'

/** Characters `[start, end)` of the rendered text. */
export interface TextSpan {
  readonly start: number
  readonly end: number
}

export type RenderChat = (messages: readonly ChatMessage[]) => string

/** One span per message; undefined where the template does not write the content of that message. */
export function locateContents(
  messages: readonly ChatMessage[],
  text: string,
  render: RenderChat,
): (TextSpan | undefined)[] {
  const all = new Set(messages.keys())
  const marked = renderIfPossible(mark(messages, all), render)
  const spans = marked === undefined ? undefined : alignMarks(messages, text, marked)
  return spans ?? messages.map((_, index) => locateOne(messages, index, text, render))
}

// Private-use characters: no template and no dataset writes them, and trimming leaves them alone.
function markOf(index: number): string {
  return `\uE0F0${index}\uE0F1`
}

function mark(messages: readonly ChatMessage[], indices: ReadonlySet<number>): ChatMessage[] {
  return messages.map((message, i) => (indices.has(i) ? { ...message, content: markOf(i) } : message))
}

/** Walks the real text along the marked one; undefined when the template treats the contents in some other way. */
function alignMarks(
  messages: readonly ChatMessage[],
  text: string,
  marked: string,
): (TextSpan | undefined)[] | undefined {
  const present: { index: number; literal: string }[] = []
  let from = 0
  for (const index of messages.keys()) {
    const at = marked.indexOf(markOf(index), from)
    if (at < 0) {
      if (marked.includes(markOf(index))) return undefined
      continue
    }
    present.push({ index, literal: marked.slice(from, at) })
    from = at + markOf(index).length
  }
  const tail = marked.slice(from)
  if (/\uE0F0\d+\uE0F1/.test(tail + present.map(({ literal }) => literal).join(''))) return undefined
  const spans: (TextSpan | undefined)[] = messages.map(() => undefined)
  let position = 0
  for (const [order, { index, literal }] of present.entries()) {
    if (!text.startsWith(literal, position)) return undefined
    const start = position + literal.length
    const next = present[order + 1]?.literal ?? tail
    const content = renderedContent(messages[index].content, text, start, next)
    if (content === undefined) return undefined
    position = start + content.length
    spans[index] = { start, end: position }
  }
  return text.slice(position) === tail ? spans : undefined
}

/** Templates write a content as it is or trimmed. */
function renderedContent(content: string, text: string, start: number, next: string): string | undefined {
  return [content, content.trim(), content.trimEnd(), content.trimStart()].find((candidate) =>
    text.startsWith(candidate + next, start),
  )
}

/** For templates whose text depends on the contents: everything else stays real, only this content is marked. */
function locateOne(
  messages: readonly ChatMessage[],
  index: number,
  text: string,
  render: RenderChat,
): TextSpan | undefined {
  const marked = renderIfPossible(mark(messages, new Set([index])), render) ?? ''
  const [before, after, ...more] = marked.split(markOf(index))
  if (after === undefined || more.length > 0) return undefined
  if (!text.startsWith(before) || !text.endsWith(after) || before.length + after.length > text.length)
    return undefined
  return { start: before.length, end: text.length - after.length }
}

/** A template may refuse a mark (one that parses the content, say) although it takes the real content. */
function renderIfPossible(messages: readonly ChatMessage[], render: RenderChat): string | undefined {
  try {
    return render(messages)
  } catch {
    return undefined
  }
}
