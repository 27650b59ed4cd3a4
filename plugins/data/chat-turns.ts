/**
 * A record of a chat dataset → the messages that the template sees, with the roles mapped and, for each, whether it is
 * trained. axolotl's names and rules; rendering and masks are in `chat-template.ts`.
 */
import { showValue } from '../../core/contracts/config.ts'
import { didYouMean } from '../../core/errors.ts'
import type { DatasetOptions } from './dataset-options.ts'
import { recordError } from './dataset-type.ts'
import type { DataRecord, RecordSource } from './dataset-type.ts'
import type { ChatMessage } from '../../core/contracts/dataset.ts'

export interface ChatTurn {
  readonly message: ChatMessage
  readonly isTrained: boolean
}

const DEFAULT_ROLES: Readonly<Record<string, readonly string[]>> = {
  user: ['human', 'user'],
  assistant: ['gpt', 'assistant'],
  system: ['system'],
  tool: ['tool'],
}

export interface ChatTurnOptions {
  readonly trainOnInputs: boolean
  /** Key of the list of messages when the options do not name one. */
  readonly fieldMessages: string
}

export function chatTurns(
  { value, source }: DataRecord,
  options: DatasetOptions,
  { trainOnInputs, fieldMessages }: ChatTurnOptions,
): ChatTurn[] {
  const key = options.field_messages ?? fieldMessages
  const messages = value[key]
  if (messages === undefined) {
    throw recordError(
      source,
      `there is no "${key}"; ${didYouMean(key, Object.keys(value))}`,
      'set field_messages',
    )
  }
  if (!Array.isArray(messages) || messages.length === 0) {
    throw recordError(source, `expected "${key}" to be a list of messages, got ${showValue(messages)}`)
  }
  if (Array.isArray(value.tools) && value.tools.length > 0) {
    throw recordError(source, 'conversations with "tools" are not supported yet')
  }
  const roles = roleMap(options.roles ?? DEFAULT_ROLES)
  const trained = new Set(options.roles_to_train.map((role) => roles.get(role) ?? role))
  const turns = messages.map((raw: unknown, index): ChatTurn => {
    const message = readMessage(raw, `${key}[${index}]`, options, roles, source)
    const flag = isMapping(raw) ? trainingFlag(raw, `${key}[${index}]`, options, source) : undefined
    return { message, isTrained: flag ?? (trainOnInputs || trained.has(message.role)) }
  })
  const system = value[options.field_system]
  if (turns[0].message.role !== 'system' && typeof system === 'string' && system !== '') {
    turns.unshift({
      message: { role: 'system', content: system },
      isTrained: trainOnInputs || trained.has('system'),
    })
  }
  return options.drop_system_message && turns[0].message.role === 'system' ? turns.slice(1) : turns
}

function roleMap(roles: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(roles).flatMap(([target, names]) => names.map((name) => [name, target] as const)),
  )
}

function readMessage(
  raw: unknown,
  place: string,
  { message_property_mappings: mappings }: DatasetOptions,
  roles: ReadonlyMap<string, string>,
  source: RecordSource,
): ChatMessage {
  if (!isMapping(raw)) throw recordError(source, `expected ${place} to be a message, got ${showValue(raw)}`)
  const names: Readonly<Record<string, string>> = { role: 'role', content: 'content', ...mappings }
  const mapped: Record<string, unknown> = {}
  for (const [property, key] of Object.entries(names)) {
    if (raw[key] !== undefined && raw[key] !== null) mapped[property] = raw[key]
  }
  const used = new Set(Object.values(names))
  for (const [key, item] of Object.entries(raw)) {
    if (!used.has(key) && !(key in mapped) && item !== null) mapped[key] = item
  }
  const { role, content, ...rest } = mapped
  if (typeof role !== 'string') throw missing(raw, place, names.role, 'role', source)
  if (typeof content !== 'string') throw missing(raw, place, names.content, 'content', source)
  return { ...rest, role: roles.get(role) ?? role, content }
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
  throw recordError(source, `expected ${place}.${key} to be true or false, got ${showValue(value)}`)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
