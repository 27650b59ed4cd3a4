/**
 * The body of /v1/chat/completions, checked: https://platform.openai.com/docs/api-reference/chat/create. Beside what is OpenAI's own it takes the
 * names that other servers have for what they add: top_k, min_p, repetition_penalty, chat_template_kwargs.
 */
import {
  type ConfigFailure,
  defineOptions,
  flag,
  integer,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { refusal, refusedSampling, SAMPLING_FIELDS, type SamplingFields } from './sampling-fields.ts'

/** A message as a client gives it; what else it has is for the template. */
export interface GivenMessage {
  readonly role: string
  readonly content?: string | readonly GivenPart[] | null
  readonly tool_calls?: readonly GivenCall[] | null
  readonly [field: string]: unknown
}

export interface GivenPart {
  readonly type: string
  readonly text?: string
}

export interface GivenCall {
  readonly id?: string
  readonly type?: string
  readonly function: { readonly name: string; readonly arguments: string }
}

export interface GivenTool {
  readonly type: 'function'
  readonly function: {
    readonly name: string
    readonly description?: string
    readonly parameters?: Readonly<Record<string, unknown>>
  }
}

export type ToolChoice = 'none' | 'auto' | 'required' | { readonly function: { readonly name: string } }

export type ResponseFormat =
  | { readonly type: 'text' | 'json_object' }
  | {
      readonly type: 'json_schema'
      readonly json_schema: { readonly schema: Readonly<Record<string, unknown>> }
    }

export interface ChatRequest extends SamplingFields {
  readonly messages: readonly GivenMessage[]
  readonly max_tokens: number | null
  readonly max_completion_tokens: number | null
  readonly logprobs: boolean
  readonly top_logprobs: number | null
  readonly tools: readonly GivenTool[] | null
  readonly tool_choice: ToolChoice | null
  readonly parallel_tool_calls: boolean
  readonly response_format: ResponseFormat | null
  readonly chat_template_kwargs: Readonly<Record<string, unknown>> | null
  readonly [ignored: string]: unknown
}

/** Throws E_CONFIG and E_CONFIG_KEY for what is wrong with it. */
export function readChatRequest(body: unknown): ChatRequest {
  return REQUEST.validate(body)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const object = v.record(v.string(), v.unknown(), 'expected an object')

const message = v.looseObject({
  role: oneOf(['system', 'developer', 'user', 'assistant', 'tool']),
  content: v.nullish(
    v.union(
      [v.string(), v.array(v.looseObject({ type: v.string(), text: v.optional(v.string()) }))],
      'expected a text or a list of parts',
    ),
  ),
  tool_calls: v.nullish(
    v.array(
      v.looseObject({
        id: v.optional(v.string()),
        function: v.looseObject({ name: v.string(), arguments: v.string() }),
      }),
    ),
  ),
})

const tool = v.looseObject({
  type: oneOf(['function']),
  function: v.looseObject({
    name: text('a name'),
    description: v.optional(v.string()),
    parameters: v.optional(object),
  }),
})

const toolChoice = v.union(
  [
    v.picklist(['none', 'auto', 'required']),
    v.looseObject({ type: v.literal('function'), function: v.looseObject({ name: v.string() }) }),
  ],
  'expected none, auto, required or a function',
)

const responseFormat = v.union(
  [
    v.looseObject({ type: v.picklist(['text', 'json_object']) }),
    v.looseObject({ type: v.literal('json_schema'), json_schema: v.looseObject({ schema: object }) }),
  ],
  'expected { type: "text" }, { type: "json_object" } or { type: "json_schema", json_schema: { schema } }',
)

/** They say who asks, or how a service is run and paid. */
const IGNORED = [
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
] as const

/** They would change the answer. */
const REFUSED = [
  'audio',
  'function_call',
  'functions',
  'modalities',
  'moderation',
  'prediction',
  'reasoning_effort',
  'verbosity',
  'web_search_options',
] as const

const others = Object.fromEntries([...IGNORED, ...REFUSED].map((name) => [name, nullable(v.unknown())]))

const REQUEST = defineOptions<ChatRequest>(
  {
    ...others,
    ...SAMPLING_FIELDS,
    messages: v.pipe(listOf(message, 'a list of messages'), v.minLength(1, 'expected at least one message')),
    max_tokens: nullable(integer({ min: 1 })),
    max_completion_tokens: nullable(integer({ min: 1 })),
    logprobs: optional(flag(), false),
    top_logprobs: nullable(integer({ min: 0, max: 20 })),
    tools: nullable(listOf(tool)),
    tool_choice: nullable(toolChoice),
    parallel_tool_calls: optional(flag(), true),
    response_format: nullable(responseFormat),
    chat_template_kwargs: nullable(object),
  },
  [refusedSampling, refused],
)

function refused(request: ChatRequest): ConfigFailure[] {
  const given = REFUSED.filter((name) => request[name] !== null && !isUsual(name, request[name]))
  return [
    ...given.map((name) => refusal(name, 'is not there')),
    ...(request.top_logprobs !== null && !request.logprobs
      ? [refusal('top_logprobs', 'needs logprobs: true')]
      : []),
  ]
}

function isUsual(name: string, value: unknown): boolean {
  return name === 'modalities' && JSON.stringify(value) === '["text"]'
}
