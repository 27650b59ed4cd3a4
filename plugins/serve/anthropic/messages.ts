/**
 * /v1/messages: an answer in one piece, or as server-sent events; and how many tokens a prompt has.
 */
import { randomInt } from 'node:crypto'
import { eventReply, type HttpReply, type HttpRequest, jsonReply } from '../../http/mod.ts'
import type { ServedVoice } from '../model/served-model.ts'
import { enter, type Serving } from '../model/serving.ts'
import { answersOf } from '../text/answers.ts'
import { begun } from '../text/begun.ts'
import { promptOfMessages, roomAfter } from '../text/prompts.ts'
import { constraintOf } from '../text/wanted-form.ts'
import { startWriting } from '../text/writing.ts'
import { randomLetters } from '../tools/tool-format.ts'
import { openingOf, templateTools, type ToolMode, type ToolUse, toolUseOf } from '../tools/tool-use.ts'
import { type MessageAnswer, messageEvents, wholeMessage } from './message-answer.ts'
import {
  type GivenToolChoice,
  type PromptRequest,
  readMessagesRequest,
  readPromptRequest,
} from './messages-request.ts'
import { messagesForTemplate, toolsOf } from './template-messages.ts'
import { bodyOf } from '../wire/request-body.ts'

/** Answers one request. Throws before anything is sent, for whatever is wrong with it. */
export async function createMessage(serving: Serving, http: HttpRequest): Promise<HttpReply> {
  const request = readMessagesRequest(await bodyOf(http))
  const voice = serving.served.voice(request.model)
  const { prompt, use } = promptOf(serving, voice, request)
  const maxNewTokens = roomAfter(prompt, serving.tokens, request.max_tokens, 'messages')
  const constraint = constraintOf(serving, voice, {
    schema: request.output_config?.format?.schema ?? null,
    place: 'output_config',
    use,
  })
  enter(serving, 1, http.signal)
  const { temperature, top_p, top_k } = request
  const writing = startWriting(
    serving.queue,
    {
      voice,
      prompts: [prompt],
      count: 1,
      sampling: { maxNewTokens, temperature, topP: top_p, topK: top_k, seed: randomInt(2 ** 32) },
      stops: request.stop_sequences,
      logprobs: null,
      constraint,
      kept: use?.format.markers ?? [],
    },
    http.signal,
  )
  const events = await begun(answersOf(writing, use))
  const answer: MessageAnswer = {
    model: voice.name,
    inputTokens: prompt.length,
    newCallId: () => use?.format.newId() ?? randomLetters(24),
  }
  return request.stream
    ? eventReply(messageEvents(answer, events, serving.onBug))
    : jsonReply(await wholeMessage(answer, events))
}

/** How many tokens the prompt of a message has. */
export async function countTokens(serving: Serving, http: HttpRequest): Promise<HttpReply> {
  const request = readPromptRequest(await bodyOf(http))
  const { prompt } = promptOf(serving, serving.served.voice(request.model), request)
  return jsonReply({ input_tokens: prompt.length })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function promptOf(
  { tokens }: Serving,
  voice: ServedVoice,
  { system, messages, tools, tool_choice }: PromptRequest,
): { readonly prompt: number[]; readonly use: ToolUse | null } {
  const use = toolUseOf(voice, toolsOf(tools ?? []), modeOf(tool_choice))
  const given = messagesForTemplate(system, messages)
  const last = given.at(-1)
  // A last message of the assistant is the beginning of the answer.
  const opening = last?.role === 'assistant' && typeof last.content === 'string' ? last.content : null
  const prompt = promptOfMessages(voice.tokenizer, opening === null ? given : given.slice(0, -1), {
    ...(use === null ? {} : { tools: templateTools(use.tools) }),
    tokens,
    opening: (opening ?? '') + openingOf(use),
  })
  return { prompt, use }
}

function modeOf(choice: GivenToolChoice | null): ToolMode {
  const { type = 'auto', name = null } = choice ?? {}
  if (type === 'auto' || type === 'none') return { type }
  return { type: 'forced', name: type === 'any' ? null : name }
}
