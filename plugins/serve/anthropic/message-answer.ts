/**
 * An answer as Anthropic's clients read it: one message of blocks, or a stream of events that builds it.
 */
import type { ServerSentEvent } from '../../http/mod.ts'
import type { AnswerEvent } from '../text/answers.ts'
import type { WritingEnd } from '../text/writing.ts'
import { randomLetters, type ToolCall } from '../tools/tool-format.ts'
import { errorBody } from '../wire/error-body.ts'

/** What is known of an answer before its first token. */
export interface MessageAnswer {
  /** The name that was asked for. */
  readonly model: string
  /** Tokens of the prompt. */
  readonly inputTokens: number
  /** A new id of a call. */
  newCallId(): string
}

/** Waits for all of it. */
export async function wholeMessage(
  answer: MessageAnswer,
  events: AsyncIterable<AnswerEvent>,
): Promise<object> {
  let text = ''
  let last: Extract<AnswerEvent, { type: 'end' }> | null = null
  for await (const event of events) {
    if (event.type === 'text') text += event.text
    else last = event
  }
  const calls = last?.calls ?? []
  return {
    ...messageOf(answer),
    content: [
      ...(text === '' && calls.length > 0 ? [] : [{ type: 'text', text, citations: null }]),
      ...calls.map((call) => ({ ...blockOf(answer, call), input: call.arguments })),
    ],
    ...reasonOf(calls, last?.end ?? null),
    usage: usageOf(answer, last?.end ?? null),
  }
}

/** Its events, in the order that Anthropic gives; an error in the middle is an event too, after which the stream ends. */
export async function* messageEvents(
  answer: MessageAnswer,
  events: AsyncIterable<AnswerEvent>,
  onBug: (error: unknown) => void,
): AsyncIterable<ServerSentEvent> {
  try {
    for await (const event of blocks(answer, events)) yield sent(event)
  } catch (error) {
    yield sent(errorBody(error, onBug))
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface TypedEvent {
  readonly type: string
  readonly [field: string]: unknown
}

function sent(event: { readonly type: string }): ServerSentEvent {
  return { event: event.type, data: JSON.stringify(event) }
}

async function* blocks(answer: MessageAnswer, events: AsyncIterable<AnswerEvent>): AsyncIterable<TypedEvent> {
  yield {
    type: 'message_start',
    message: {
      ...messageOf(answer),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: usageOf(answer, null),
    },
  }
  let index = 0
  let isOpen = false
  for await (const event of events) {
    if (event.type === 'text') {
      if (event.text === '') continue
      if (!isOpen) yield startOf(index, { type: 'text', text: '', citations: null })
      isOpen = true
      yield deltaOf(index, { type: 'text_delta', text: event.text })
      continue
    }
    if (!isOpen && event.calls.length === 0) {
      yield startOf(index, { type: 'text', text: '', citations: null })
      isOpen = true
    }
    if (isOpen) yield { type: 'content_block_stop', index: index++ }
    for (const call of event.calls) {
      yield startOf(index, { ...blockOf(answer, call), input: {} })
      yield deltaOf(index, { type: 'input_json_delta', partial_json: JSON.stringify(call.arguments) })
      yield { type: 'content_block_stop', index: index++ }
    }
    yield {
      type: 'message_delta',
      delta: reasonOf(event.calls, event.end),
      usage: usageOf(answer, event.end),
    }
  }
  yield { type: 'message_stop' }
}

function startOf(index: number, content_block: object): TypedEvent {
  return { type: 'content_block_start', index, content_block }
}

function deltaOf(index: number, delta: object): TypedEvent {
  return { type: 'content_block_delta', index, delta }
}

function messageOf({ model }: MessageAnswer): object {
  return { id: `msg_${randomLetters(24)}`, type: 'message', role: 'assistant', model }
}

function blockOf({ newCallId }: MessageAnswer, { name }: ToolCall): object {
  return { type: 'tool_use', id: newCallId(), name }
}

function reasonOf(calls: readonly ToolCall[], end: WritingEnd | null): object {
  const stop = end?.stop ?? null
  const reason =
    calls.length > 0
      ? 'tool_use'
      : stop !== null
        ? 'stop_sequence'
        : end?.reason === 'length'
          ? 'max_tokens'
          : 'end_turn'
  return { stop_reason: reason, stop_sequence: calls.length > 0 ? null : stop }
}

function usageOf({ inputTokens }: MessageAnswer, end: WritingEnd | null): object {
  const reused = Math.min(inputTokens, end?.reused ?? 0)
  return {
    input_tokens: inputTokens - reused,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: reused,
    output_tokens: end?.tokens ?? 0,
  }
}
