/**
 * /v1/chat/completions: an answer in one piece, or as server-sent events.
 */
import { TrituneError } from '../../../core/mod.ts'
import { eventReply, type HttpReply, type HttpRequest, jsonReply } from '../../http/mod.ts'
import { enter, type Serving } from '../model/serving.ts'
import { answersOf } from '../text/answers.ts'
import { begun } from '../text/begun.ts'
import { promptOfMessages, roomAfter } from '../text/prompts.ts'
import { startWriting } from '../text/writing.ts'
import { templateTools, type ToolMode, toolUseOf } from '../tools/tool-use.ts'
import { type ChatAnswer, chatChunks, wholeChat } from './chat-answer.ts'
import { templateMessages, toolsOf } from './chat-messages.ts'
import { readChatRequest, type ToolChoice } from './chat-request.ts'
import { eventsUntilDone } from './done-events.ts'
import { samplingOf } from './sampling-fields.ts'
import { newStamp } from './stamp.ts'

/** Answers one request. Throws before anything is sent, for whatever is wrong with it. */
export async function chatCompletions(serving: Serving, http: HttpRequest): Promise<HttpReply> {
  const request = readChatRequest(await http.json())
  const voice = serving.served.voice(request.model)
  expectText(request.response_format?.type ?? 'text')
  const use = toolUseOf(voice, toolsOf(request.tools ?? []), modeOf(request.tool_choice))
  const prompt = promptOfMessages(voice.tokenizer, templateMessages(request.messages), {
    ...(use === null ? {} : { tools: templateTools(use.tools) }),
    variables: request.chat_template_kwargs ?? {},
  })
  const wanted = request.max_completion_tokens ?? request.max_tokens
  const maxNewTokens = roomAfter(prompt, serving.tokens, wanted)
  enter(serving, request.n, http.signal)
  const writing = startWriting(
    serving.queue,
    {
      voice,
      prompts: [prompt],
      count: request.n,
      sampling: { ...samplingOf(request), maxNewTokens },
      stops: request.stop,
      logprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
      constraint: null,
      kept: use?.format.markers ?? [],
    },
    http.signal,
  )
  const events = await begun(answersOf(writing, use))
  const answer: ChatAnswer = {
    stamp: newStamp('chatcmpl', voice.name),
    prompt,
    count: request.n,
    format: use?.format ?? null,
    withLogprobs: request.logprobs,
    withUsage: request.stream_options?.include_usage ?? false,
    tokenText: (id) => serving.tokenText(voice, id),
  }
  return request.stream
    ? eventReply(eventsUntilDone(chatChunks(answer, events), serving.onBug))
    : jsonReply(await wholeChat(answer, events))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function modeOf(choice: ToolChoice | null): ToolMode {
  return choice === null ? 'auto' : choice === 'none' || choice === 'auto' ? choice : 'forced'
}

function expectText(type: string): void {
  if (type === 'text') return
  throw new TrituneError('E_UNSUPPORTED', `the format ${type} is not there`, { place: 'response_format' })
}
