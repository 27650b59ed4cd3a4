/**
 * /v1/chat/completions: an answer in one piece, or as server-sent events.
 */
import type { JsonSchema } from '../../../core/mod.ts'
import { eventReply, type HttpReply, type HttpRequest, jsonReply } from '../../http/mod.ts'
import { enter, type Serving } from '../model/serving.ts'
import { answersOf } from '../text/answers.ts'
import { begun } from '../text/begun.ts'
import { promptOfMessages, roomAfter } from '../text/prompts.ts'
import { constraintOf } from '../text/wanted-form.ts'
import { startWriting } from '../text/writing.ts'
import { openingOf, templateTools, type ToolMode, toolUseOf } from '../tools/tool-use.ts'
import { type ChatAnswer, chatChunks, wholeChat } from './chat-answer.ts'
import { templateMessages, toolsOf } from './chat-messages.ts'
import { readChatRequest, type ResponseFormat, type ToolChoice } from './chat-request.ts'
import { eventsUntilDone } from './done-events.ts'
import { samplingOf } from './sampling-fields.ts'
import { newStamp } from './stamp.ts'
import { bodyOf } from '../wire/request-body.ts'

/** Answers one request. Throws before anything is sent, for whatever is wrong with it. */
export async function chatCompletions(serving: Serving, http: HttpRequest): Promise<HttpReply> {
  const request = readChatRequest(await bodyOf(http))
  const voice = serving.served.voice(request.model)
  const use = toolUseOf(voice, toolsOf(request.tools ?? []), modeOf(request.tool_choice))
  const prompt = promptOfMessages(voice.tokenizer, templateMessages(request.messages), {
    ...(use === null ? {} : { tools: templateTools(use.tools) }),
    variables: request.chat_template_kwargs ?? {},
    opening: openingOf(use),
    tokens: serving.tokens,
  })
  const wanted = request.max_completion_tokens ?? request.max_tokens
  const maxNewTokens = roomAfter(prompt, serving.tokens, wanted, 'messages')
  const constraint = constraintOf(serving, voice, {
    schema: schemaOf(request.response_format),
    place: 'response_format',
    use,
  })
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
      constraint,
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
  if (choice === null) return { type: 'auto' }
  if (choice === 'none' || choice === 'auto') return { type: choice }
  return { type: 'forced', name: choice === 'required' ? null : choice.function.name }
}

function schemaOf(format: ResponseFormat | null): JsonSchema | null {
  if (format?.type === 'json_schema') return format.json_schema.schema
  return format?.type === 'json_object' ? { type: 'object' } : null
}
