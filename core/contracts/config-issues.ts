/**
 * What valibot finds wrong → failures for people: missing, empty, unknown keys and wrong values, each with its path.
 */
import { getMetadata, safeParse } from 'valibot'
import type { BaseIssue, GenericSchema } from 'valibot'
import { didYouMean, nearestNames } from '../errors.ts'
import type { ConfigFailure, ConfigPath } from './config-failure.ts'
import { shortText, showValue } from './show-value.ts'

/** What is said of a key that is not there. */
export const MISSING = 'this key is required'

export type Issue = BaseIssue<unknown>

/** Thrown when something reads a field of a `validPart()` that is not right. */
export class WrongField extends Error {}

/** One failure for each place; the first one said of it. */
export function failuresOf(schema: GenericSchema, issues: readonly Issue[]): ConfigFailure[] {
  const failures = new Map<string, ConfigFailure>()
  for (const issue of issues) {
    for (const failure of isUnknownKey(issue) ? unknownKeys(schema, issue) : [failureOf(schema, issue)]) {
      const key = JSON.stringify(failure.path)
      if (!failures.has(key)) failures.set(key, failure)
    }
  }
  return [...failures.values()]
}

/**
 * The fields of an object that are right on their own, with their defaults; reading another one is a `WrongField`.
 * undefined when the schema is not one of an object, or the input is none.
 */
export function validPart<T>(schema: GenericSchema<unknown, T>, input: unknown): T | undefined {
  const entries = property(schema, 'entries')
  if (typeof entries !== 'object' || entries === null || typeof input !== 'object' || input === null) {
    return undefined
  }
  const right = new Map<string | symbol, unknown>()
  for (const [key, field] of Object.entries(entries)) {
    if (!isSchema(field)) return undefined
    const result = safeParse(field, property(input, key))
    if (result.success) right.set(key, result.output)
  }
  const part: object = new Proxy(Object.fromEntries(right), {
    get(_, key) {
      if (!right.has(key)) throw new WrongField(String(key))
      return right.get(key)
    },
  })
  return part as T
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function failureOf(schema: GenericSchema, issue: Issue): ConfigFailure {
  const path = pathOf(issue)
  const field = schemaAt(schema, path, issue.path?.at(-1)?.input)
  if (issue.path?.at(-1)?.origin === 'key') return { path, what: MISSING, ...exampleOf(field) }
  const expected = issue.message.startsWith('Invalid')
    ? `expected ${issue.expected ?? 'something else'}`
    : issue.message
  if (issue.input === null || issue.input === undefined) {
    return { path, what: `this key is required and has no value: ${expected}`, ...exampleOf(field) }
  }
  return {
    path,
    what: expected.startsWith('expected') ? `${expected}, got ${showValue(issue.input)}` : expected,
  }
}

function exampleOf(field: unknown): { readonly remedy?: string } {
  const example = isSchema(field) ? getMetadata(field)['example'] : undefined
  return typeof example === 'string' ? { remedy: `for example ${example}` } : {}
}

function isUnknownKey(issue: Issue): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never'
}

/** Suggestions cost; nobody reads more of them. */
const SUGGESTED = 20

/** valibot stops at the first unknown key of an object; all of them are more useful. */
function unknownKeys(schema: GenericSchema, issue: Issue): ConfigFailure[] {
  const path = pathOf(issue).slice(0, -1)
  const holder = issue.path?.at(-1)?.input
  const known = new Set(keysAt(schema, path, holder))
  const names = typeof holder === 'object' && holder !== null ? Object.keys(holder) : []
  // Of the wrong file every key is unknown: what is known is listed once.
  let isListed = false
  const suggestion = (name: string, index: number): string => {
    if (index >= SUGGESTED) return ''
    const isList = nearestNames(name, known).length === 0
    if (isList && isListed) return ''
    isListed ||= isList
    return `; ${didYouMean(name, known)}`
  }
  return names
    .filter((name) => !known.has(name))
    .map((name, index) => ({
      path: [...path, name],
      what: `unknown key "${shortText(name)}"${suggestion(name, index)}`,
      code: 'E_CONFIG_KEY',
    }))
}

function pathOf(issue: Issue): (string | number)[] {
  return (issue.path ?? []).map((item) => (typeof item.key === 'number' ? item.key : String(item.key)))
}

/** Names that the schema knows at `path`. */
function keysAt(schema: unknown, path: ConfigPath, holder: unknown): string[] {
  const entries = property(unwrap(schemaAt(schema, path, holder), holder), 'entries')
  return typeof entries === 'object' && entries !== null ? Object.keys(entries) : []
}

/** The schema of the field at `path`; wrappers (optional, nullish, lists, lazy) on the way are looked through. */
function schemaAt(schema: unknown, path: ConfigPath, holder: unknown): unknown {
  if (path.length === 0) return schema
  const inner = unwrap(schema, holder)
  const [head, ...rest] = path
  return schemaAt(
    typeof head === 'number' ? property(inner, 'item') : property(property(inner, 'entries'), head),
    rest,
    holder,
  )
}

function unwrap(schema: unknown, holder: unknown): unknown {
  const wrapped = property(schema, 'wrapped')
  if (wrapped !== undefined) return unwrap(wrapped, holder)
  const getter = property(schema, 'getter')
  return typeof getter === 'function' ? unwrap(getter(holder), holder) : schema
}

function isSchema(value: unknown): value is GenericSchema {
  return property(value, 'kind') === 'schema'
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
