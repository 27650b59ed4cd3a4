/**
 * Where the text of each turn stands in a rendered conversation, found by rendering it again with other words in its
 * place: what differs is the turn. As axolotl finds turns (prompt_strategies/chat_template.py, `_find_turn_from_text`),
 * with three differences: all plain turns are found with one rendering more; a turn keeps its place when other parts of
 * the text depend on it (tool calls, say); and a turn that the template does not write is told from an empty one.
 *
 * Knows characters, not tokens; nothing here depends on any particular template.
 */
import type { ChatMessage, CharSpan } from '../../../core/mod.ts'
import { alignContents } from './chat-alignment.ts'

/** Throws when the template refuses the messages. */
export type RenderChat = (messages: readonly ChatMessage[]) => string

export interface TurnPlace {
  /**
   * In order; several where the template writes something of others in between (results of tools). None when no rendering
   * tells where the turn stands. An empty turn has an empty span.
   */
  readonly spans: readonly CharSpan[]
  /** Nothing of the turn is in the text, although it has words. */
  readonly isDropped: boolean
}

/** `needsAll`: the turns whose every part counts (reasoning, tool calls); of the others the content is enough. */
export function locateTurns(
  messages: readonly ChatMessage[],
  text: string,
  render: RenderChat,
  needsAll: (index: number) => boolean,
): TurnPlace[] {
  const words = sentinels(messages)
  const attempt = (some: readonly ChatMessage[]): string | undefined => {
    try {
      return render(some)
    } catch {
      return undefined
    }
  }
  const quick = alignContents(messages, text, attempt, words[0])
  const contents = new Map<number, CharSpan | undefined>()

  /** The content alone, the rest of the message kept. */
  function contentSpan(index: number): CharSpan | undefined {
    const found = quick?.get(index)
    if (found !== undefined || !hasWords(messages[index])) return found
    if (!contents.has(index)) {
      const other = differing(messages, text, index, (word) => ({ ...messages[index], content: word }))
      contents.set(index, other === undefined || other.isAbsent ? undefined : other.span)
    }
    return contents.get(index)
  }

  /** Renders `list` with other messages at `index`, and gives what differs from `whole`. */
  function differing(
    list: readonly ChatMessage[],
    whole: string,
    index: number,
    instead: (word: string) => ChatMessage,
  ): { span: CharSpan; isAbsent: boolean } | undefined {
    let [start, end, isAbsent] = [whole.length, 0, true]
    for (const word of words) {
      const other = attempt(list.map((message, i) => (i === index ? instead(word) : message)))
      if (other === undefined) return undefined
      const span = difference(whole, other)
      start = Math.min(start, span.start)
      end = Math.max(end, span.end)
      isAbsent &&= !other.includes(word)
    }
    return { span: { start, end: Math.max(start, end) }, isAbsent }
  }

  /** True when the span reaches into the words of another turn, because their rendering depends on this one. */
  function isContaminated(index: number, span: CharSpan): boolean {
    return messages.some((_, other) => {
      if (other === index) return false
      const content = contentSpan(other)
      return content !== undefined && content.start < span.end && content.end > span.start
    })
  }

  function wholeTurn(index: number): TurnPlace {
    const dummy = (word: string): ChatMessage => ({ role: messages[index].role, content: word })
    const inPlace = differing(messages, text, index, dummy)
    const isEmpty = inPlace !== undefined && inPlace.span.start === inPlace.span.end
    if (inPlace !== undefined && inPlace.isAbsent && isEmpty) {
      return { spans: [], isDropped: hasWords(messages[index]) }
    }
    if (inPlace !== undefined && !isContaminated(index, inPlace.span))
      return { spans: [inPlace.span], isDropped: false }
    const atEnd = inPrefix(index, messages[index], dummy)
    return { spans: atEnd === undefined ? partsOf(index, dummy) : [atEnd], isDropped: false }
  }

  /** A turn as the last one of a shorter conversation, where nothing can depend on it. */
  function inPrefix(
    index: number,
    turn: ChatMessage,
    dummy: (word: string) => ChatMessage,
  ): CharSpan | undefined {
    const list = [...messages.slice(0, index), turn]
    const whole = attempt(list)
    if (whole === undefined) return undefined
    const found = differing(list, whole, index, dummy)
    if (found === undefined || found.isAbsent || isContaminated(index, found.span)) return undefined
    return text.startsWith(whole.slice(0, found.span.end)) ? found.span : undefined
  }

  /** What is written before the content, and the content, each on its own. */
  function partsOf(index: number, dummy: (word: string) => ChatMessage): readonly CharSpan[] {
    const { role, content: _content, tool_calls: calls, ...rest } = messages[index]
    const content = contentSpan(index)
    const isMore = calls !== undefined || Object.keys(rest).length > 0
    // Reasoning may be written for the last turn only, so what comes before the content is looked for without it too.
    const before = isMore
      ? (inPrefix(index, { ...rest, role, content: '', tool_calls: calls ?? null }, dummy) ??
        inPrefix(index, { role, content: '', tool_calls: calls ?? null }, dummy))
      : undefined
    if (isMore && before === undefined) return []
    const parts = [before, content].filter((span) => span !== undefined)
    const isSound = parts.every(
      (span, i) => !isContaminated(index, span) && (i === 0 || parts[i - 1].end <= span.start),
    )
    return isSound ? parts : []
  }

  return messages.map((message, index) => {
    const found = quick?.get(index)
    if (found !== undefined && (isPlain(message) || !needsAll(index)))
      return { spans: [found], isDropped: false }
    if (needsAll(index) || hasWords(message)) return wholeTurn(index)
    const content = contentSpan(index)
    return { spans: content === undefined ? [] : [content], isDropped: false }
  })
}

/**
 * Where the text of one field of a message stands, by other words in its place; undefined: no rendering tells. An empty span where the template
 * leaves the field out.
 */
export function locateField(
  messages: readonly ChatMessage[],
  text: string,
  render: RenderChat,
  index: number,
  field: string,
): CharSpan | undefined {
  let [start, end] = [text.length, 0]
  for (const word of sentinels(messages)) {
    try {
      const other = render(messages.map((one, i) => (i === index ? { ...one, [field]: word } : one)))
      const span = difference(text, other)
      start = Math.min(start, span.start)
      end = Math.max(end, span.end)
    } catch {
      return undefined
    }
  }
  return { start, end: Math.max(start, end) }
}

/** Two words that no message has, with no character in common at their ends. */
function sentinels(messages: readonly ChatMessage[]): [string, string] {
  const all = JSON.stringify(messages, (_key, value: unknown) => (typeof value === 'bigint' ? '' : value))
  let nonce = ''
  while (all.includes(`[[dummy${nonce}message]]`) || all.includes(`zzdummy${nonce}messagezz`)) nonce += 'q'
  return [`[[dummy${nonce}message]]`, `zzdummy${nonce}messagezz`]
}

/**
 * What of `whole` is not in `other`: all but the longest common beginning and end, each for itself. Of two words without a
 * common character at their ends one gives the true beginning, and one the true end.
 */
function difference(whole: string, other: string): CharSpan {
  const limit = Math.min(whole.length, other.length)
  let start = 0
  while (start < limit && whole[start] === other[start]) start++
  let tail = 0
  while (tail < limit && whole[whole.length - 1 - tail] === other[other.length - 1 - tail]) tail++
  return { start, end: whole.length - tail }
}

/** Nothing but a role and a text: what is written for it is its content. */
function isPlain(message: ChatMessage): boolean {
  return typeof message.content === 'string' && Object.keys(message).length === 2
}

export function hasToolCalls(message: ChatMessage): boolean {
  return Array.isArray(message['tool_calls']) && message['tool_calls'].length > 0
}

function hasWords(message: ChatMessage): boolean {
  return typeof message.content === 'string' && message.content.trim() !== ''
}
