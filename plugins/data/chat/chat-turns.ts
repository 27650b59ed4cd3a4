/**
 * A record of a chat dataset → the messages and tools that the template sees, with the roles mapped and, for each message,
 * whether it is trained. axolotl's names and rules; rendering and masks are in `chat-template.ts`.
 */
import { didYouMean, showValue } from '../../../core/mod.ts'
import type { ChatMessage } from '../../../core/mod.ts'
import { parseExactJson } from '../../jinja/mod.ts'
import { readContent, splitThinking } from './chat-content.ts'
import { isMapping, parseJson, readFunctionCall, readToolCalls, readTools } from './chat-tools.ts'
import { readTrainDetails, type TrainDetail } from './train-details.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { recordError } from '../types/dataset-type.ts'
import type { DataRecord, RecordSource } from '../types/dataset-type.ts'

export interface ChatTurn {
  readonly message: ChatMessage
  readonly isTrained: boolean
  /** Which parts of which fields of the message are trained; undefined: all that is written for it. */
  readonly details?: TurnDetails | undefined
}

/** Parts of fields of a message, by the names of the fields. */
export type TurnDetails = Readonly<Record<string, readonly TrainDetail[]>>

export interface Conversation {
  readonly turns: readonly ChatTurn[]
  readonly tools: readonly unknown[] | undefined
}

/** axolotl's, and LLaMA-Factory's name for the result of a tool. */
const DEFAULT_ROLES: Readonly<Record<string, readonly string[]>> = {
  user: ['human', 'user'],
  assistant: ['gpt', 'assistant'],
  system: ['system'],
  tool: ['tool', 'observation'],
}

/** LLaMA-Factory's name for a turn of the assistant that calls tools; its content is the calls, as JSON. */
const FUNCTION_CALL = 'function_call'

export interface ChatTurnOptions {
  readonly trainOnInputs: boolean
  /** Key of the list of messages when the options do not name one. */
  readonly fieldMessages: string
}

/** Throws E_DATA with the record and the message that do not fit. */
export function readConversation(
  record: DataRecord,
  options: DatasetOptions,
  { trainOnInputs, fieldMessages }: ChatTurnOptions,
): Conversation {
  const { source } = record
  const value = exactValue(record)
  const key = options.field_messages ?? fieldMessages
  const messages = readMessages(value, key, source)
  const roles = roleMap(options.roles ?? DEFAULT_ROLES)
  const trained = new Set(options.roles_to_train.map((role) => roles.get(role) ?? role))
  const turns = messages.map((raw: unknown, index): ChatTurn => {
    const { message, details } = readMessage(raw, `${key}[${index}]`, options, roles, source)
    const flag = isMapping(raw) ? trainingFlag(raw, `${key}[${index}]`, options, source) : undefined
    // As in axolotl, a list without parts says no.
    const some = details && Object.values(details).some((parts) => parts.length > 0)
    return { message, details, isTrained: flag ?? some ?? (trainOnInputs || trained.has(message.role)) }
  })
  const system = value[options.field_system]
  if (turns[0].message.role !== 'system' && typeof system === 'string' && system !== '') {
    turns.unshift({
      message: { role: 'system', content: system },
      isTrained: trainOnInputs || trained.has('system'),
    })
  }
  const isWithoutSystem = options.drop_system_message && turns[0].message.role === 'system'
  return {
    turns: isWithoutSystem ? turns.slice(1) : turns,
    tools: readTools(value[options.field_tools], options.field_tools, source),
  }
}

/** The record with its numbers as they are written: templates show 1.0 and 1 differently. */
function exactValue({ value, json }: DataRecord): Readonly<Record<string, unknown>> {
  const exact = json === undefined ? value : parseExactJson(json)
  return isMapping(exact) ? exact : value
}

function readMessages(
  value: Readonly<Record<string, unknown>>,
  key: string,
  source: RecordSource,
): readonly unknown[] {
  const given = value[key]
  if (given === undefined) {
    throw recordError(
      source,
      `there is no "${key}"; ${didYouMean(key, Object.keys(value))}`,
      'set field_messages',
    )
  }
  const messages = typeof given === 'string' ? parseJson(given, `"${key}"`, source) : given
  if (Array.isArray(messages) && messages.length > 0) return messages
  throw recordError(source, `expected "${key}" to be a list of messages, got ${showValue(messages)}`)
}

function roleMap(roles: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(roles).flatMap(([target, names]) => names.map((name) => [name, target] as const)),
  )
}

function readMessage(
  raw: unknown,
  place: string,
  options: DatasetOptions,
  roles: ReadonlyMap<string, string>,
  source: RecordSource,
): Pick<ChatTurn, 'message' | 'details'> {
  if (!isMapping(raw)) throw recordError(source, `expected ${place} to be a message, got ${showValue(raw)}`)
  const { template_thinking_key: thinkingKey, message_field_training: flag } = options
  const { message_field_training_detail: detailKey } = options
  const names: Readonly<Record<string, string>> = {
    role: 'role',
    content: 'content',
    [thinkingKey]: options.field_thinking,
    ...options.message_property_mappings,
  }
  const { role, content, ...rest } = mapped(raw, names, [flag, detailKey])
  if (typeof role !== 'string') throw missing(raw, place, names.role, 'role', source)
  const { text, details: parts } = readContent(content, `${place}.${names.content}`, source)
  if (role === FUNCTION_CALL && !roles.has(role)) {
    const call = readFunctionCall(text ?? '', `${place}.${names.content}`, source)
    return { message: { ...rest, role: 'assistant', ...call } }
  }
  if (rest['tool_calls'] !== undefined) {
    rest['tool_calls'] = readToolCalls(rest['tool_calls'], `${place}.tool_calls`, source)
  }
  const { text: thinking, details: thoughts } = readContent(
    rest[thinkingKey],
    `${place}.${names[thinkingKey]}`,
    source,
  )
  if (thinking !== undefined) rest[thinkingKey] = thinking
  const message: ChatMessage = {
    ...rest,
    role: roles.get(role) ?? role,
    ...(text === undefined ? {} : { content: text }),
  }
  if (text === undefined && Object.keys(rest).length === 0)
    throw missing(raw, place, names.content, 'content', source)
  const split =
    options.split_thinking && message.role === 'assistant' && text !== undefined
      ? splitThinking(text)
      : undefined
  const written =
    split === undefined ? message : { ...message, [thinkingKey]: split.reasoning, content: split.answer }
  const given = detailKey === null ? undefined : raw[detailKey]
  const own =
    given === undefined || given === null
      ? parts
      : (parts ?? readTrainDetails(given, String(written.content ?? ''), `${place}.${detailKey}`, source))
  if (own === undefined && thoughts === undefined) return { message: written }
  const details = { ...(own && { content: own }), ...(thoughts && { [thinkingKey]: thoughts }) }
  return { message: written, details }
}

/** The fields under the names that the template knows; null is as good as not there. */
function mapped(
  raw: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>>,
  flags: readonly (string | null)[],
): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [property, key] of Object.entries(names)) {
    if (raw[key] !== undefined && raw[key] !== null) fields[property] = raw[key]
  }
  const used = new Set([...Object.values(names), ...flags])
  for (const [key, item] of Object.entries(raw)) {
    if (!used.has(key) && !(key in fields) && item !== null && item !== undefined) fields[key] = item
  }
  return fields
}

function missing(raw: object, place: string, key: string, property: string, source: RecordSource): Error {
  const value: unknown = Reflect.get(raw, key)
  if (value !== undefined && value !== null) {
    return recordError(source, `expected ${place}.${key} to be a text, got ${showValue(value)}`)
  }
  return recordError(
    source,
    `${place} has no "${key}", only ${Object.keys(raw).join(', ')}`,
    `set message_property_mappings.${property} to the key that holds it`,
  )
}

function trainingFlag(
  raw: Readonly<Record<string, unknown>>,
  place: string,
  { message_field_training: key }: DatasetOptions,
  source: RecordSource,
): boolean | undefined {
  const value = key === null ? undefined : raw[key]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  // As in OpenAI's files, whose messages have a weight of 0 or 1.
  const weight = typeof value === 'bigint' ? Number(value) : value
  if (weight === 0 || weight === 1) return weight === 1
  throw recordError(
    source,
    `expected ${place}.${key} to be true or false (or 1 or 0), got ${showValue(value)}`,
  )
}
