/**
 * The fields that configurations are made of, as valibot schemas with messages for people:
 * `integer({ min: 1 })`, `decimal({ above: 0 })`, `oneOf([...])`, `optional(field, fallback)` and the like.
 *
 * In YAML an empty value is null; `optional()` and `nullable()` therefore take null for "not given". Each field also says
 * how a JSON Schema describes it, where valibot's own parts do not tell (`withJson()`).
 */
import * as v from 'valibot'
import type { GenericSchema, NullishSchema } from 'valibot'
import { nearestNames } from '../errors.ts'

/**
 * Gives a `T`. `I` is how a program writes it, for editors and compilers; files have more ways, which the field checks: a number
 * as text, `yes` for true.
 */
export type Field<T, I = unknown> = GenericSchema<I, T>

/** A field that may be left out, or null. */
export type OptionalField<T, I = unknown> = NullishSchema<Field<T, I>, () => I & T>

/** A field that may be left out; then, and for null, it gives null. */
export type NullableField<T, I = unknown> = NullishSchema<Field<T | null, I | null>, () => null>

/** A JSON Schema, or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** Bounds of a number; all of them are optional and hold together. */
export interface NumberRange {
  /** Inclusive bounds. */
  readonly min?: number
  readonly max?: number
  /** Exclusive bounds. */
  readonly above?: number
  readonly below?: number
}

/**
 * A field that takes a whole number within `range`, and no further than JavaScript's whole numbers are exact (±(2⁵³ −
 * 1)). In a file, the text of such a number is taken too: `"8"`.
 *
 * @example
 * ```ts
 * import { defineOptions, integer } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly rank: number }>({ rank: integer({ min: 1 }) })
 * console.log(options.validate({ rank: '8' }).rank) // → 8
 * ```
 */
export function integer(range: NumberRange = {}): Field<number, number> {
  const check = (x: number): boolean => Number.isSafeInteger(x) && inRange(x, range)
  // The bound of what is exact is worth a word only to who went beyond it.
  return number(
    (x) =>
      `expected an integer${rangeText(isTooLarge(x) ? { max: Number.MAX_SAFE_INTEGER, ...range } : range)}`,
    check,
    [{ type: 'integer', ...rangeJson(range) }, numberText(range, INTEGER_TEXT)],
  )
}

/**
 * A field that takes a finite number within `range`. In a file, the text of such a number is taken too: YAML 1.2 reads
 * `2e-4` as a number, other tools write it as a text.
 *
 * @example
 * ```ts
 * import { decimal, defineOptions } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly rate: number }>({ rate: decimal({ above: 0 }) })
 * console.log(options.validate({ rate: '2e-4' }).rate) // → 0.0002
 * ```
 */
export function decimal(range: NumberRange = {}): Field<number, number> {
  return number(
    () => `expected a number${rangeText(range)}`,
    (x) => Number.isFinite(x) && inRange(x, range),
    [{ type: 'number', ...rangeJson(range) }, numberText(range, DECIMAL_TEXT)],
  )
}

/** A part below 1, or a whole number; `message` is for numbers between. */
export function partOrCount(message: string): Field<number, number> {
  return number(
    (x) => (x >= 0 ? message : 'expected a number ≥ 0'),
    (x) => x >= 0 && Number.isFinite(x) && (x < 1 || Number.isInteger(x)),
    [
      { type: 'number', minimum: 0, exclusiveMaximum: 1 },
      { type: 'integer', minimum: 1 },
      numberText({ min: 0 }, DECIMAL_TEXT),
    ],
  )
}

/** A number, or one written as text: YAML 1.1 readers take `2e-4` (without a dot) for text, and people quote numbers. */
function number(
  messageFor: (x: number) => string,
  check: (x: number) => boolean,
  forms: readonly JsonSchema[],
): Field<number, number> {
  const schema = v.pipe(
    v.union([v.number(), v.string()], messageFor(0)),
    json({ anyOf: forms }),
    v.check(
      (x) => check(numberOf(x)),
      ({ input }) => messageFor(numberOf(input)),
    ),
    v.transform(numberOf),
  )
  return schema as Field<number, number>
}

/** NaN for a text that is no number. */
function numberOf(value: number | string): number {
  if (typeof value === 'number') return value
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value.trim()) ? Number(value) : Number.NaN
}

/** Adds the line that shows how a required key is written, for the message when it is missing. */
export function withExample<T, I = unknown>(field: Field<T, I>, example: string): Field<T, I> {
  return v.pipe(field, v.metadata({ example }))
}

/**
 * Says how a JSON Schema describes a field that valibot's parts do not tell it of: what `v.lazy()` or `v.check()` decide. It stands
 * before a `v.transform()`.
 */
export function withJson<T, I = unknown>(field: Field<T, I>, form: JsonSchema): Field<T, I> {
  return v.pipe(field, json(form))
}

function json<T>(form: JsonSchema): v.MetadataAction<T, { readonly json: JsonSchema }> {
  return v.metadata({ json: form })
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
export function flag(): Field<boolean, boolean> {
  const message = 'expected true or false'
  const schema = v.pipe(
    v.union([v.boolean(), v.string(), v.number()], message),
    json(FLAG),
    v.check((x) => flagOf(x) !== undefined, message),
    v.transform((x) => flagOf(x) === true),
  )
  return schema as Field<boolean, boolean>
}

function flagOf(value: boolean | string | number): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return WORDS.get(value.toLowerCase())
  return value === 1 ? true : value === 0 ? false : undefined
}

/**
 * A text that is not empty; `what` completes "expected …".
 *
 * @example
 * ```ts
 * import { defineOptions, text } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly file: string }>({ file: text() })
 * console.log(options.validate({ file: 'a.txt' }).file) // → a.txt
 * ```
 */
export function text(what = 'a text that is not empty'): Field<string, string> {
  const message = `expected ${what}`
  return v.pipe(
    v.string(message),
    json(NON_EMPTY),
    v.check((x) => x.trim() !== '', message),
  )
}

/** Options of `oneOf()`: values that other tools have. */
export interface OneOfOptions {
  /** Values that exist elsewhere and are understood, but cannot be used yet. */
  readonly later?: readonly string[]
}

/**
 * A field that takes one of some texts. Another text is an error that names the nearest one.
 *
 * @example
 * ```ts
 * import { defineOptions, oneOf } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly mode: 'fast' | 'exact' }>({ mode: oneOf(['fast', 'exact']) })
 * console.log(options.validate({ mode: 'fast' }).mode) // → fast
 * ```
 */
export function oneOf<const T extends string>(
  values: readonly T[],
  { later = [] }: OneOfOptions = {},
): Field<T, T> {
  const names = values.join(', ')
  return v.picklist(values, ({ input }) => {
    if (typeof input === 'string' && later.includes(input)) {
      return `"${input}" is not supported yet; use one of ${names}`
    }
    const near = typeof input === 'string' ? nearestNames(input, values, 1) : []
    return `expected one of ${names}${near.length > 0 ? ` (did you mean "${near[0]}"?)` : ''}`
  })
}

/**
 * A field that takes a list, each entry checked by `item`; an error names the position. `what` is the word for it in
 * messages.
 *
 * @example
 * ```ts
 * import { defineOptions, integer, listOf } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly layers: number[] }>({ layers: listOf(integer({ min: 0 })) })
 * console.log(options.validate({ layers: [0, 2] }).layers) // → [ 0, 2 ]
 * ```
 */
export function listOf<T, I = unknown>(item: Field<T, I>, what = 'a list'): Field<T[], readonly I[]> {
  return v.array(item, ({ input }) => `expected ${what}${typeof input === 'string' ? `, as [${input}]` : ''}`)
}

/** A field that takes a mapping with any keys, each value checked by `value`. `what` is the word for it in messages. */
export function mapOf<T, I = unknown>(
  value: Field<T, I>,
  what = 'a mapping',
): Field<Record<string, T>, Readonly<Record<string, I>>> {
  return v.record(v.string(), value, `expected ${what}`)
}

/**
 * A field that may be left out or null; both become `fallback`.
 *
 * @example
 * ```ts
 * import { defineOptions, flag, optional } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly shared: boolean }>({ shared: optional(flag(), true) })
 * console.log(options.validate({}).shared, options.validate({ shared: null }).shared) // → true true
 * ```
 */
export function optional<T, I = unknown>(field: Field<T, I>, fallback: NoInfer<I & T>): OptionalField<T, I> {
  return v.nullish(field, () => fallback)
}

/** A field that may be left out or null; both become null. */
export function nullable<T, I = unknown>(field: Field<T, I>): NullableField<T, I> {
  return v.nullish(field, () => null)
}

/**
 * Gives a schema back as it is; compiles only when it takes every `I` and has its keys. With the type of the result declared as `Field<T, I>`, which
 * must have every input of the schema, both say the same.
 */
export function takes<I>(): <S extends GenericSchema>(
  schema: [I, keyof I, keyof v.InferInput<S>] extends [v.InferInput<S>, keyof v.InferInput<S>, keyof I]
    ? S
    : never,
) => S {
  return (schema) => schema
}

/** A text that holds more than blanks, as a JSON Schema. */
export const NON_EMPTY: JsonSchema = { type: 'string', pattern: '\\S' }

const INTEGER_TEXT = '\\d[\\d_]*(\\.0*)?([eE]\\+?\\d+)?'
const DECIMAL_TEXT = '(\\d[\\d_]*\\.?[\\d_]*|\\.\\d+)([eE][-+]?\\d+)?'
const FLAG_TEXT = '^([yY][eE][sS]|[oO][nN]|[tT][rR][uU][eE]|[nN][oO]|[oO][fF][fF]|[fF][aA][lL][sS][eE])$'

/** What `flag()` takes, as a JSON Schema. */
export const FLAG: JsonSchema = {
  anyOf: [{ type: 'boolean' }, { type: 'string', pattern: FLAG_TEXT }, { enum: [0, 1] }],
}

/** Numbers that stand in a file as text; a JSON Schema cannot ask for their range, but for their sign. */
function numberText({ min, above }: NumberRange, digits: string): JsonSchema {
  const sign = (min ?? above ?? -1) >= 0 ? '\\+?' : '[-+]?'
  return { type: 'string', pattern: `^\\s*${sign}${digits}\\s*$` }
}

function rangeJson({ min, max, above, below }: NumberRange): JsonSchema {
  return {
    ...(min === undefined ? {} : { minimum: min }),
    ...(above === undefined ? {} : { exclusiveMinimum: above }),
    ...(max === undefined ? {} : { maximum: max }),
    ...(below === undefined ? {} : { exclusiveMaximum: below }),
  }
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
