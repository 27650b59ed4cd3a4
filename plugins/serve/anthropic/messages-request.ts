/**
 * The bodies of /v1/messages and /v1/messages/count_tokens, checked: https://docs.anthropic.com/en/api/messages.
 */
import {
  type ConfigFailure,
  decimal,
  defineOptions,
  type Field,
  flag,
  integer,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
} from '../../../core/mod.ts'
import * as v from 'valibot'

/** A part of a message. */
export interface GivenBlock {
  readonly type: string
  readonly text?: string
  readonly id?: string
  readonly name?: string
  readonly input?: Readonly<Record<string, unknown>>
  readonly tool_use_id?: string
  readonly content?: string | readonly GivenBlock[] | null
  readonly is_error?: boolean
}

export interface GivenMessage {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: string | readonly GivenBlock[]
}

export interface GivenTool {
  readonly name: string
  readonly description?: string
  readonly input_schema: Readonly<Record<string, unknown>>
}

export interface GivenToolChoice {
  readonly type: 'auto' | 'any' | 'tool' | 'none'
  readonly name?: string
}

/** What both bodies have. */
export interface PromptRequest {
  readonly model: string
  readonly messages: readonly GivenMessage[]
  readonly system: string | readonly GivenBlock[] | null
  readonly tools: readonly GivenTool[] | null
  readonly tool_choice: GivenToolChoice | null
  readonly thinking: { readonly type: string } | null
  readonly output_config: {
    readonly effort: unknown
    readonly format: { readonly schema: Readonly<Record<string, unknown>> } | null
  } | null
  readonly [ignored: string]: unknown
}

export interface MessagesRequest extends PromptRequest {
  readonly max_tokens: number
  readonly stop_sequences: readonly string[]
  readonly stream: boolean
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
}

/** Throws E_CONFIG and E_CONFIG_KEY for what is wrong with it. */
export function readMessagesRequest(body: unknown): MessagesRequest {
  return MESSAGES.validate(body)
}

/** The same for a prompt that is only counted. */
export function readPromptRequest(body: unknown): PromptRequest {
  return PROMPT.validate(body)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const object = v.record(v.string(), v.unknown(), 'expected an object')

/** Of the result of a tool. */
const part = v.looseObject({ type: v.string(), text: v.optional(v.string()) })

const block = v.looseObject({
  type: v.string(),
  text: v.optional(v.string()),
  id: v.optional(v.string()),
  name: v.optional(v.string()),
  input: v.optional(object),
  tool_use_id: v.optional(v.string()),
  content: v.nullish(v.union([v.string(), v.array(part)])),
  is_error: v.optional(v.boolean()),
})

const textOrBlocks = v.union([v.string(), v.array(block)], 'expected a text or a list of blocks')

const message = v.looseObject({ role: oneOf(['user', 'assistant', 'system']), content: textOrBlocks })

const tool = v.looseObject({
  name: text('a name'),
  description: v.optional(v.string()),
  input_schema: object,
})

const toolChoice = v.looseObject({
  type: oneOf(['auto', 'any', 'tool', 'none']),
  name: v.optional(v.string()),
})

/** They say who asks, or how a service is run and paid. */
const IGNORED = [
  'cache_control',
  'diagnostics',
  'inference_geo',
  'metadata',
  'service_tier',
  'speed',
  'user_profile_id',
  'workspace_id',
] as const

const PROMPT_FIELDS: { readonly [K in keyof PromptRequest]: Field<PromptRequest[K]> } = {
  ...Object.fromEntries([...IGNORED, 'container'].map((name) => [name, nullable(v.unknown())])),
  model: text('the name of a model'),
  messages: v.pipe(listOf(message, 'a list of messages'), v.minLength(1, 'expected at least one message')),
  system: nullable(textOrBlocks),
  tools: nullable(listOf(tool)),
  tool_choice: nullable(toolChoice),
  thinking: nullable(v.looseObject({ type: v.string() })),
  output_config: nullable(
    v.strictObject({
      effort: nullable(v.unknown()),
      format: nullable(v.looseObject({ type: v.literal('json_schema'), schema: object })),
    }),
  ),
}

const PROMPT = defineOptions<PromptRequest>(PROMPT_FIELDS, [refused])

const MESSAGES = defineOptions<MessagesRequest>(
  {
    ...PROMPT_FIELDS,
    max_tokens: integer({ min: 1 }),
    stop_sequences: v.pipe(optional(listOf(v.string()), []), v.maxLength(16, 'expected at most 16 texts')),
    stream: optional(flag(), false),
    temperature: optional(decimal({ min: 0, max: 1 }), 1),
    top_p: optional(decimal({ above: 0, max: 1 }), 1),
    top_k: optional(integer({ min: 0 }), 0),
  },
  [refused],
)

function refused({ thinking, output_config, container }: PromptRequest): ConfigFailure[] {
  const refusal = (name: string, what: string): ConfigFailure => ({ path: [name], what: `${name} ${what}` })
  return [
    ...(thinking === null || thinking.type === 'disabled'
      ? []
      : [refusal('thinking', 'is not there; the texts of a model that thinks are texts')]),
    ...((output_config?.effort ?? null) === null ? [] : [refusal('output_config.effort', 'is not there')]),
    ...(container === null ? [] : [refusal('container', 'is not there')]),
  ]
}
