/**
 * The fields that configurations are made of, as valibot schemas with messages for people:
 * `integer({ min: 1 })`, `decimal({ above: 0 })`, `oneOf([...])`, `optional(field, fallback)` and the like.
 *
 * In YAML an empty value is null; `optional()` and `nullable()` therefore take null for "not given".
 */
import * as v from 'valibot'
import type { GenericSchema } from 'valibot'
import { nearestNames } from '../errors.ts'

export type Field<T> = GenericSchema<unknown, T>

export interface NumberRange {
  /** Inclusive bounds. */
  readonly min?: number
  readonly max?: number
  /** Exclusive bounds. */
  readonly above?: number
  readonly below?: number
}

export function integer(range: NumberRange = {}): Field<number> {
  const check = (x: number): boolean => Number.isSafeInteger(x) && inRange(x, range)
  // The bound of what is exact is worth a word only to who went beyond it.
  return number(
    (x) =>
      `expected an integer${rangeText(isTooLarge(x) ? { max: Number.MAX_SAFE_INTEGER, ...range } : range)}`,
    check,
  )
}

export function decimal(range: NumberRange = {}): Field<number> {
  return number(
    () => `expected a number${rangeText(range)}`,
    (x) => Number.isFinite(x) && inRange(x, range),
  )
}

/** A number, or one written as text: YAML 1.1 readers take `2e-4` (without a dot) for text, and people quote numbers. */
function number(messageFor: (x: number) => string, check: (x: number) => boolean): Field<number> {
  return v.pipe(
    v.union([v.number(), v.string()], messageFor(0)),
    v.check(
      (x) => check(numberOf(x)),
      ({ input }) => messageFor(numberOf(input)),
    ),
    v.transform(numberOf),
  )
}

/** NaN for a text that is no number. */
function numberOf(value: number | string): number {
  if (typeof value === 'number') return value
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value.trim()) ? Number(value) : Number.NaN
}

/** Adds the line that shows how a required key is written, for the message when it is missing. */
export function withExample<T>(field: Field<T>, example: string): Field<T> {
  return v.pipe(field, v.metadata({ example }))
}

const WORDS = new Map([
  ['yes', true],
  ['on', true],
  ['true', true],
  ['no', false],
  ['off', false],
  ['false', false],
])

/** true or false; the words yes, no, on, off of YAML 1.1 count, and 1 and 0. */
export function flag(): Field<boolean> {
  const message = 'expected true or false'
  return v.pipe(
    v.union([v.boolean(), v.string(), v.number()], message),
    v.check((x) => flagOf(x) !== undefined, message),
    v.transform((x) => flagOf(x) === true),
  )
}

function flagOf(value: boolean | string | number): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return WORDS.get(value.toLowerCase())
  return value === 1 ? true : value === 0 ? false : undefined
}

/** A text that is not empty; `what` completes "expected …". */
export function text(what = 'a text that is not empty'): Field<string> {
  const message = `expected ${what}`
  return v.pipe(
    v.string(message),
    v.check((x) => x.trim() !== '', message),
  )
}

export interface OneOfOptions {
  /** Values that exist elsewhere and are understood, but cannot be used yet. */
  readonly later?: readonly string[]
}

export function oneOf<const T extends string>(
  values: readonly T[],
  { later = [] }: OneOfOptions = {},
): Field<T> {
  const names = values.join(', ')
  return v.picklist(values, ({ input }) => {
    if (typeof input === 'string' && later.includes(input)) {
      return `"${input}" is not supported yet; use one of ${names}`
    }
    const near = typeof input === 'string' ? nearestNames(input, values, 1) : []
    return `expected one of ${names}${near.length > 0 ? ` (did you mean "${near[0]}"?)` : ''}`
  })
}

export function listOf<T>(item: Field<T>, what = 'a list'): Field<T[]> {
  return v.array(item, `expected ${what}`)
}

/** A mapping whose keys are free. */
export function mapOf<T>(value: Field<T>, what = 'a mapping'): Field<Record<string, T>> {
  return v.record(v.string(), value, `expected ${what}`)
}

/** Not given or null → `fallback`. */
export function optional<T>(field: Field<T>, fallback: T): Field<T> {
  return v.nullish(field, () => fallback)
}

/** Not given → null. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return optional<T | null>(field, null)
}

function isTooLarge(x: number): boolean {
  return Number.isFinite(x) && x > Number.MAX_SAFE_INTEGER
}

function inRange(x: number, { min, max, above, below }: NumberRange): boolean {
  if (min !== undefined && x < min) return false
  if (max !== undefined && x > max) return false
  if (above !== undefined && x <= above) return false
  return below === undefined || x < below
}

function rangeText({ min, max, above, below }: NumberRange): string {
  const parts: string[] = []
  if (min !== undefined) parts.push(`≥ ${min}`)
  if (above !== undefined) parts.push(`> ${above}`)
  if (max !== undefined) parts.push(`≤ ${max}`)
  if (below !== undefined) parts.push(`< ${below}`)
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`
}
