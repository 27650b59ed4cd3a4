/**
 * Fields of records of preferences: texts, and conversations.
 */
import { type ChatMessage, type DataRecord, didYouMean, showValue } from '../../../core/mod.ts'
import { recordError } from './answers-example.ts'

/** The text under `key`; missing and other kinds of value are E_DATA. */
export function textOf(record: DataRecord, key: string): string {
  const value = valueOf(record, key)
  if (typeof value === 'string') return value
  throw recordError(record, `expected "${key}" to be a text, got ${showValue(value)}`)
}

/** The text under `key`, or '' when it is missing or null. */
export function optionalTextOf(record: DataRecord, key: string): string {
  const value = record.value[key]
  return value === undefined || value === null ? '' : textOf(record, key)
}

/** What stands under `key`; missing and null are E_DATA. */
export function valueOf(record: DataRecord, key: string): unknown {
  const value = record.value[key]
  if (value !== undefined && value !== null) return value
  const others = Object.keys(record.value)
  throw recordError(
    record,
    `there is no "${key}"${value === null ? ', it is null' : `; ${didYouMean(key, others)}`}`,
  )
}

/** Messages under `key`, with at least `least` of them. */
export function messagesOf(record: DataRecord, key: string, least: number = 1): ChatMessage[] {
  return checkedMessages(record, valueOf(record, key), key, least)
}

/** A value that is to be a list of messages. */
export function checkedMessages(
  record: DataRecord,
  value: unknown,
  key: string,
  least: number = 1,
): ChatMessage[] {
  if (!Array.isArray(value))
    throw recordError(record, `expected "${key}" to be a list of messages, got ${showValue(value)}`)
  if (value.length < least)
    throw recordError(record, `expected "${key}" to have at least ${least} messages, got ${value.length}`)
  return value.map((message: unknown, i) => {
    if (typeof message === 'object' && message !== null && typeof Reflect.get(message, 'role') === 'string')
      return message as ChatMessage
    throw recordError(
      record,
      `expected "${key}[${i}]" to be a message with a role, got ${showValue(message)}`,
    )
  })
}

/** The content of the message at `at` of the list under `key`, whatever roles say, as axolotl's types read it. */
export function contentOf(record: DataRecord, key: string, at: number): string {
  const list = valueOf(record, key)
  const content: unknown = Array.isArray(list) ? Reflect.get(Object(list.at(at)), 'content') : undefined
  if (typeof content === 'string') return content
  throw recordError(record, `expected "${key}[${at}].content" to be a text, got ${showValue(content)}`)
}
