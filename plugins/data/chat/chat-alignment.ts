/**
 * All contents of a conversation found at once: it is rendered with marks in place of the contents, and what the template
 * wrote between the marks must stand in the real text too. Works where the template writes contents as they are, or
 * trimmed; chat-spans.ts takes over where it does not.
 */
import type { ChatMessage, CharSpan } from '../../../core/mod.ts'

/** Spans by index of the message; undefined when the template does anything else with a content. */
export function alignContents(
  messages: readonly ChatMessage[],
  text: string,
  render: (messages: readonly ChatMessage[]) => string | undefined,
  word: string,
): ReadonlyMap<number, CharSpan> | undefined {
  const markOf = (index: number): string => `${word}${index}${word}`
  const isMarked = ({ content }: ChatMessage): boolean => typeof content === 'string' && content !== ''
  const marked = render(
    messages.map((message, i) => (isMarked(message) ? { ...message, content: markOf(i) } : message)),
  )
  if (marked === undefined) return undefined

  const present: { index: number; literal: string }[] = []
  let from = 0
  for (const [index, message] of messages.entries()) {
    if (!isMarked(message)) continue
    const at = marked.indexOf(markOf(index), from)
    if (at < 0) {
      if (marked.includes(markOf(index))) return undefined
      continue
    }
    present.push({ index, literal: marked.slice(from, at) })
    from = at + markOf(index).length
  }
  const tail = marked.slice(from)
  if ([tail, ...present.map(({ literal }) => literal)].some((literal) => literal.includes(word)))
    return undefined

  const spans = new Map<number, CharSpan>()
  let position = 0
  for (const [order, { index, literal }] of present.entries()) {
    if (!text.startsWith(literal, position)) return undefined
    const start = position + literal.length
    const next = present[order + 1]?.literal ?? tail
    const content = renderedContent(String(messages[index].content), text, start, next)
    if (content === undefined) return undefined
    position = start + content.length
    spans.set(index, { start, end: position })
  }
  return text.slice(position) === tail ? spans : undefined
}

/** Templates write a content as it is or trimmed. */
function renderedContent(content: string, text: string, start: number, next: string): string | undefined {
  return [content, content.trim(), content.trimEnd(), content.trimStart()].find((candidate) =>
    text.startsWith(candidate + next, start),
  )
}
