/**
 * /v1/completions: texts that go on from texts or ids, without a chat template.
 */
import { TrituneError } from '../../../core/mod.ts'
import { eventReply, type HttpReply, type HttpRequest, jsonReply } from '../../http/mod.ts'
import { enter, type Serving } from '../model/serving.ts'
import type { ServedVoice } from '../model/served-model.ts'
import { begun } from '../text/begun.ts'
import { promptOfText, roomAfter } from '../text/prompts.ts'
import type { TokenText } from '../text/token-texts.ts'
import type { WrittenToken } from '../text/text-writer.ts'
import { startWriting, type WritingEnd, type WritingEvent } from '../text/writing.ts'
import { type GivenPrompt, readCompletionsRequest } from './completions-request.ts'
import { eventsUntilDone } from './done-events.ts'
import { samplingOf } from './sampling-fields.ts'
import { newStamp, type Stamp } from './stamp.ts'
import { tokenLists, type TokenLists } from './token-lists.ts'
import { usageOf } from './usage.ts'
import { bodyOf } from '../wire/request-body.ts'

/** Answers one request. Throws before anything is sent, for whatever is wrong with it. */
export async function completions(serving: Serving, http: HttpRequest): Promise<HttpReply> {
  const request = readCompletionsRequest(await bodyOf(http))
  const voice = serving.served.voice(request.model)
  const prompts = request.prompt.map((given, at) => idsOf(serving, voice, given, at))
  const longest = prompts.reduce((most, prompt) => (prompt.length > most.length ? prompt : most))
  const maxNewTokens = roomAfter(longest, serving.tokens, request.max_tokens, 'prompt')
  const count = request.n
  enter(serving, prompts.length * count, http.signal)
  const writing = startWriting(
    serving.queue,
    {
      voice,
      prompts,
      count,
      sampling: { ...samplingOf(request), maxNewTokens },
      stops: request.stop,
      logprobs: request.logprobs,
      constraint: null,
      kept: [],
    },
    http.signal,
  )
  const events = await begun(writing)
  const completion: Completion = {
    stamp: newStamp('cmpl', voice.name),
    prompts,
    texts: prompts.length * count,
    withLogprobs: request.logprobs !== null,
    withUsage: request.stream_options?.include_usage ?? false,
    tokenText: (id) => serving.tokenText(voice, id),
  }
  return request.stream
    ? eventReply(eventsUntilDone(chunks(completion, events), serving.onBug))
    : jsonReply(await whole(completion, events))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Completion {
  readonly stamp: Stamp
  readonly prompts: readonly (readonly number[])[]
  readonly texts: number
  readonly withLogprobs: boolean
  readonly withUsage: boolean
  tokenText(id: number): TokenText
}

interface Choice {
  readonly index: number
  text: string
  readonly tokens: WrittenToken[]
  end: WritingEnd | null
}

function idsOf(
  { served, tokens }: Serving,
  { tokenizer }: ServedVoice,
  given: GivenPrompt,
  at: number,
): readonly number[] {
  if (typeof given === 'string') return promptOfText(tokenizer, given, tokens)
  const { vocabSize } = served.model.info
  const bad = given.find((id) => id >= vocabSize)
  if (bad === undefined) return given
  throw new TrituneError('E_CONFIG', `there is no token ${bad}, the model has ${vocabSize}`, {
    place: `prompt[${at}]`,
  })
}

async function whole(completion: Completion, events: AsyncIterable<WritingEvent>): Promise<object> {
  const choices = Array.from({ length: completion.texts }, (_, index): Choice => ({
    index,
    text: '',
    tokens: [],
    end: null,
  }))
  for await (const event of events) {
    const choice = choices[event.index]
    if (event.type === 'end') choice.end = event.end
    else {
      choice.text += event.piece.text
      choice.tokens.push(...event.piece.tokens)
    }
  }
  const ends = choices.flatMap(({ end }) => end ?? [])
  return {
    ...completion.stamp,
    object: 'text_completion',
    choices: choices.map(({ index, text, tokens, end }) => ({
      index,
      text,
      logprobs: listsOf(completion, tokens, 0),
      finish_reason: end?.reason ?? null,
    })),
    usage: usageOf(completion.prompts, ends),
  }
}

async function* chunks(completion: Completion, events: AsyncIterable<WritingEvent>): AsyncIterable<object> {
  const ends: WritingEnd[] = []
  const lengths = new Map<number, number>()
  const chunk = (choices: readonly object[], usage: object | null = null): object => ({
    ...completion.stamp,
    object: 'text_completion',
    choices,
    ...(completion.withUsage ? { usage } : {}),
  })
  for await (const event of events) {
    const { index } = event
    if (event.type === 'end') {
      ends.push(event.end)
      yield chunk([{ index, text: '', logprobs: null, finish_reason: event.end.reason }])
      continue
    }
    const { text, tokens } = event.piece
    const before = lengths.get(index) ?? 0
    lengths.set(index, before + text.length)
    const logprobs = listsOf(completion, tokens, before)
    if (text !== '' || logprobs !== null) yield chunk([{ index, text, logprobs, finish_reason: null }])
  }
  if (completion.withUsage) yield chunk([], usageOf(completion.prompts, ends))
}

function listsOf(
  { withLogprobs, tokenText }: Completion,
  tokens: readonly WrittenToken[],
  offset: number,
): TokenLists | null {
  return withLogprobs && tokens.length > 0 ? tokenLists(tokens, tokenText, offset) : null
}
