/**
 * Answers of a chat as the objects of OpenAI: one `chat.completion`, or a stream of `chat.completion.chunk`.
 */
import type { AnswerEvent } from '../text/answers.ts'
import type { WrittenToken } from '../text/text-writer.ts'
import type { TokenText } from '../text/token-texts.ts'
import type { WritingEnd } from '../text/writing.ts'
import type { ToolCall, ToolFormat } from '../tools/tool-format.ts'
import { type ChatLogprob, chatLogprobs } from './chat-logprobs.ts'
import type { Stamp } from './stamp.ts'
import { usageOf } from './usage.ts'

/** What is known of an answer before its first token. */
export interface ChatAnswer {
  readonly stamp: Stamp
  /** Ids of the prompt. */
  readonly prompt: readonly number[]
  /** How many answers. */
  readonly count: number
  /** Of the calls; null: there are none. */
  readonly format: ToolFormat | null
  readonly withLogprobs: boolean
  readonly withUsage: boolean
  tokenText(id: number): TokenText
}

/** Waits for all of it. */
export async function wholeChat(answer: ChatAnswer, events: AsyncIterable<AnswerEvent>): Promise<object> {
  const choices = Array.from({ length: answer.count }, emptyChoice)
  for await (const event of events) {
    const choice = choices[event.index]
    if (event.type === 'text') {
      choice.text += event.text
      choice.tokens.push(...event.tokens)
    } else {
      choice.calls = event.calls
      choice.end = event.end
    }
  }
  const ends = choices.flatMap(({ end }) => end ?? [])
  return {
    ...answer.stamp,
    object: 'chat.completion',
    choices: choices.map(({ text, tokens, calls, end }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: text === '' && calls.length > 0 ? null : text,
        refusal: null,
        ...(calls.length > 0 ? { tool_calls: toldCalls(answer, calls) } : {}),
      },
      logprobs: answer.withLogprobs ? { content: logprobsOf(answer, tokens), refusal: null } : null,
      finish_reason: reasonOf(calls, end),
    })),
    usage: usageOf([answer.prompt], ends),
  }
}

/** A role first, then texts, calls, and the reason of the end; with usage in a last one without choices, if it is wanted. */
export async function* chatChunks(
  answer: ChatAnswer,
  events: AsyncIterable<AnswerEvent>,
): AsyncIterable<object> {
  const ends: WritingEnd[] = []
  const seen = new Set<number>()
  const chunk = (choices: readonly object[], usage: object | null = null): object => ({
    ...answer.stamp,
    object: 'chat.completion.chunk',
    choices,
    ...(answer.withUsage ? { usage } : {}),
  })
  const choice = (
    index: number,
    delta: object,
    reason: string | null = null,
    logprobs: readonly ChatLogprob[] = [],
  ): object =>
    chunk([
      {
        index,
        delta,
        logprobs: logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
        finish_reason: reason,
      },
    ])
  for await (const event of events) {
    const { index } = event
    if (!seen.has(index)) {
      seen.add(index)
      yield choice(index, { role: 'assistant', content: '', refusal: null })
    }
    if (event.type === 'text') {
      const logprobs = logprobsOf(answer, event.tokens)
      if (event.text !== '' || logprobs.length > 0)
        yield choice(index, { content: event.text }, null, logprobs)
      continue
    }
    ends.push(event.end)
    if (event.calls.length > 0)
      yield choice(index, {
        tool_calls: toldCalls(answer, event.calls).map((call, at) => ({ index: at, ...call })),
      })
    yield choice(index, {}, reasonOf(event.calls, event.end))
  }
  if (answer.withUsage) yield chunk([], usageOf([answer.prompt], ends))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface GrowingChoice {
  text: string
  readonly tokens: WrittenToken[]
  calls: readonly ToolCall[]
  end: WritingEnd | null
}

function emptyChoice(): GrowingChoice {
  return { text: '', tokens: [], calls: [], end: null }
}

function logprobsOf({ withLogprobs, tokenText }: ChatAnswer, tokens: readonly WrittenToken[]): ChatLogprob[] {
  return withLogprobs ? chatLogprobs(tokens, tokenText) : []
}

function toldCalls({ format }: ChatAnswer, calls: readonly ToolCall[]): object[] {
  return calls.map(({ name, arguments: given }) => ({
    id: format?.newId(),
    type: 'function',
    function: { name, arguments: JSON.stringify(given) },
  }))
}

function reasonOf(calls: readonly ToolCall[], end: WritingEnd | null): string | null {
  return calls.length > 0 ? 'tool_calls' : (end?.reason ?? null)
}
