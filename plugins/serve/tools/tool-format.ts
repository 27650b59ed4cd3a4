/**
 * How a family of models writes the call of a tool. Which one a model has is told by its chat template, which shows it how to.
 */
import { randomInt } from 'node:crypto'

/** A call as a model wrote it, with all arguments. */
export interface ToolCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** A tool that may be called. */
export interface Tool {
  readonly name: string
  readonly description: string | null
  /** JSON Schema of the arguments; null: it takes none. */
  readonly parameters: Readonly<Record<string, unknown>> | null
}

/** A way to write calls. */
export interface ToolFormat {
  readonly name: string
  /** Whether a chat template teaches it. */
  isIn(template: string): boolean
  /** What stands before the first call. A special token among them is kept in the text. */
  readonly markers: readonly string[]
  /** Whether a text that begins so is a call without a marker. */
  readonly opening: string | null
  /** Calls from the marker or opening on, which is not part of `text`; null: they are none. */
  parse(text: string, tools: readonly Tool[]): readonly ToolCall[] | null
  /** How a call is opened for a model that has to make one, and where its arguments stand in the JSON that follows. */
  readonly forced: { readonly opening: string; readonly key: string }
  /** A new id of a call: what the template takes. */
  newId(): string
}

/** An object of JSON; null for anything else. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

/** JSON, or undefined. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `{ name, arguments }`, with the arguments under one of the keys, as an object or as text; null: it is none. */
export function callOf(value: unknown, keys: readonly string[] = ['arguments']): ToolCall | null {
  const object = objectOf(value)
  if (object === null || typeof object['name'] !== 'string') return null
  const given = keys.map((key) => object[key]).find((one) => one !== undefined) ?? {}
  const found = objectOf(typeof given === 'string' ? jsonOf(given) : given)
  return found === null ? null : { name: object['name'], arguments: found }
}

/** All, or null when one is null or there is none. */
export function allOf<T>(values: readonly (T | null)[]): readonly T[] | null {
  const found = values.filter((value) => value !== null)
  return found.length === 0 || found.length < values.length ? null : found
}

/** Letters and digits that are hard to guess. */
export function randomLetters(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
}
