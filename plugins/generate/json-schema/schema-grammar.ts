/**
 * A JSON Schema as a grammar of the JSON that fits it. What the grammar writes always fits; not all that fits is written: properties come in the order of the
 * schema, and no others beside those that it names. A keyword that is not known here is refused by its name: what it asks for would be left aside.
 */
import { didYouMean, showValue, TrituneError } from '../../../core/mod.ts'
import { choice, type Grammar, hasText, literal, optional, rule, sequence } from './grammar.ts'
import {
  ANY_VALUE,
  BOOLEAN,
  bracketed,
  COMMA,
  INTEGER,
  integersIn,
  listOf,
  mapOf,
  MOST_DIGITS,
  NULL,
  NUMBER,
  pair,
  quoted,
  stringOf,
} from './json-values.ts'
import { FORMATS } from './string-formats.ts'
import { stringPattern } from './string-pattern.ts'

/** Throws E_CONFIG with the place in the schema for what cannot be followed, E_CONFIG where nothing fits. */
export function schemaGrammar(schema: unknown): Grammar {
  const rules = new Map<string, Grammar>()
  const grammar = valueOf(schema, { path: '#', root: schema, rules })
  // Rules are made when they are met; the schema is wrong now or never.
  for (const one of rules.values()) if (one.kind === 'rule') one.body()
  if (!hasText(grammar))
    throw new TrituneError('E_CONFIG', 'the schema has no finite value', {
      remedy: 'let what refers to itself be optional, or null',
    })
  return grammar
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Keywords = Readonly<Record<string, unknown>>

interface Place {
  /** A JSON pointer. */
  readonly path: string
  readonly root: unknown
  /** Of what `$ref` refers to, by its pointer. */
  readonly rules: Map<string, Grammar>
}

/** Keywords that say nothing about what fits. */
const NOTES = [
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]

/** By type, the keywords that are followed. One of another type than that of the value says nothing. */
const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: [],
  boolean: [],
  null: [],
}
const WHOLE = ['$ref', 'anyOf', 'allOf', 'enum', 'const']
const KNOWN = [...NOTES, ...WHOLE, 'type', ...Object.values(OF_TYPE).flat()]

function wrong(what: string, place: Place, remedy?: string): TrituneError {
  return new TrituneError('E_CONFIG', what, { place: `schema ${place.path}`, ...(remedy ? { remedy } : {}) })
}

function inside(place: Place, ...keys: readonly (string | number)[]): Place {
  const names = keys.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1'))
  return { ...place, path: [place.path, ...names].join('/') }
}

function isKeywords(value: unknown): value is Keywords {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueOf(schema: unknown, place: Place): Grammar {
  if (schema === true) return ANY_VALUE
  if (schema === false) throw wrong('false: no value fits', place)
  if (!isKeywords(schema)) throw wrong(`expected an object or true, got ${showValue(schema)}`, place)
  const given = Object.keys(schema).filter((key) => schema[key] !== undefined && !NOTES.includes(key))
  for (const key of given)
    if (!KNOWN.includes(key))
      throw wrong(`the keyword "${key}" is not supported`, place, REMEDIES[key] ?? didYouMean(key, KNOWN))
  const whole = WHOLE.find((key) => given.includes(key))
  if (whole !== undefined) {
    const beside = given.filter((key) => key !== whole && !(key === 'type' && LITERALS.includes(whole)))
    if (beside.length > 0)
      throw wrong(`${whole} beside ${beside.join(', ')} is not supported`, place, `put all in one of them`)
    return wholeOf(whole, schema, place)
  }
  const types = typesOf(schema, given, place)
  return types === null ? ANY_VALUE : choice(...types.map((type) => typed(type, schema, place)))
}

const LITERALS = ['enum', 'const']

const REMEDIES: Readonly<Record<string, string | undefined>> = {
  oneOf: 'use anyOf: it accepts what fits several, too',
  nullable: 'write "type": [..., "null"]',
  multipleOf: 'use minimum and maximum of an integer, or enum',
  patternProperties: 'use additionalProperties for keys of any name',
  uniqueItems: 'check it when the text is there',
}

function wholeOf(key: string, schema: Keywords, place: Place): Grammar {
  if (key === '$ref') return referenced(schema.$ref, place)
  if (key === 'const') return ofType(schema, place, [schema.const])
  const list = schema[key]
  if (!Array.isArray(list) || list.length === 0)
    throw wrong(`${key}: expected a list that is not empty, got ${showValue(list)}`, place)
  if (key === 'enum') return ofType(schema, place, list)
  if (key === 'allOf' && list.length > 1)
    throw wrong('allOf of several is not supported', place, 'write them as one schema')
  return choice(...list.map((one: unknown, i) => valueOf(one, inside(place, key, i))))
}

/** Values as they are, those that `type` allows. */
function ofType(schema: Keywords, place: Place, values: readonly unknown[]): Grammar {
  const types = schema.type === undefined ? null : typesOf(schema, [], place)
  const fits = (value: unknown): boolean => {
    if (types === null) return true
    const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
    return types.some((one) => one === type || (one === 'integer' && Number.isInteger(value)))
  }
  const good = values.filter(fits)
  if (good.length === 0) throw wrong('no value has the type', place)
  return choice(...good.map((value) => literal(JSON.stringify(value))))
}

/** What `type` says, or what the keywords are about; null: any value. */
function typesOf(schema: Keywords, given: readonly string[], place: Place): readonly string[] | null {
  const { type } = schema
  if (type === undefined) {
    const meant = Object.keys(OF_TYPE).filter((name) => OF_TYPE[name].some((key) => given.includes(key)))
    return meant.length === 0 ? null : meant
  }
  const types: unknown[] = Array.isArray(type) ? type : [type]
  const known = types.filter((one) => typeof one === 'string' && Object.hasOwn(OF_TYPE, one)).map(String)
  if (types.length === 0 || known.length < types.length)
    throw wrong(
      `type: expected ${Object.keys(OF_TYPE).join(', ')} or a list of them, got ${showValue(type)}`,
      place,
    )
  return known
}

function referenced(ref: unknown, place: Place): Grammar {
  if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref))
    throw wrong(`$ref: expected a place in this schema such as "#/$defs/name", got ${showValue(ref)}`, place)
  const known = place.rules.get(ref)
  if (known) return known
  let target: unknown = place.root
  for (const part of ref.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    const holder: Keywords =
      typeof target === 'object' && target !== null ? Object.fromEntries(Object.entries(target)) : {}
    if (!Object.hasOwn(holder, key)) throw wrong(`$ref: there is no ${ref}`, place)
    target = holder[key]
  }
  const made = rule(() => valueOf(target, { ...place, path: ref }))
  place.rules.set(ref, made)
  return made
}

function typed(type: string, schema: Keywords, place: Place): Grammar {
  switch (type) {
    case 'object':
      return objectOf(schema, place)
    case 'array':
      return arrayOf(schema, place)
    case 'string':
      return textOf(schema, place)
    case 'integer':
      return integerOf(schema, place)
    case 'number': {
      const limits = OF_TYPE.integer.filter((key) => schema[key] !== undefined)
      if (limits.length > 0)
        throw wrong(
          `${limits.join(', ')} of a number is not supported`,
          place,
          'use "type": "integer", or check it when the text is there',
        )
      return NUMBER
    }
    case 'boolean':
      return BOOLEAN
    default:
      return NULL
  }
}

// ---- objects and arrays -----------------------------------------------------------------------------------------

function objectOf(
  { properties = {}, required = [], additionalProperties = true }: Keywords,
  place: Place,
): Grammar {
  if (!isKeywords(properties))
    throw wrong(`properties: expected an object, got ${showValue(properties)}`, place)
  if (!Array.isArray(required)) throw wrong(`required: expected a list, got ${showValue(required)}`, place)
  const names = Object.keys(properties)
  const missing = required.find((name) => !names.includes(String(name)))
  if (missing !== undefined)
    throw wrong(
      `required: ${showValue(missing)} is not one of the properties`,
      place,
      'describe it in properties',
    )
  const others = additionalProperties === false ? null : inside(place, 'additionalProperties')
  if (names.length === 0) return others ? mapOf(valueOf(additionalProperties, others)) : literal('{}')
  const pairs = names.map((name) => ({
    isRequired: required.includes(name),
    pair: pair(literal(JSON.stringify(name)), valueOf(properties[name], inside(place, 'properties', name))),
  }))
  // From the last one on: what follows, behind another one and as the first.
  let [behind, first]: [Grammar, Grammar] = [sequence(), sequence()]
  for (const { isRequired, pair: own } of pairs.toReversed()) {
    const [next, none] = [behind, first]
    const [here, begun] = [sequence(COMMA, own, next), sequence(own, next)]
    behind = isRequired ? here : choice(here, next)
    first = isRequired ? begun : choice(begun, none)
  }
  return bracketed('{', first, '}')
}

function arrayOf({ items = true, prefixItems = [], ...schema }: Keywords, place: Place): Grammar {
  if (!Array.isArray(prefixItems))
    throw wrong(`prefixItems: expected a list, got ${showValue(prefixItems)}`, place)
  const [min, max] = limits(schema, ['minItems', 'maxItems'], place)
  const heads = prefixItems
    .slice(0, max)
    .map((one: unknown, i) => valueOf(one, inside(place, 'prefixItems', i)))
  const most = items === false ? heads.length : max
  if (min > most) throw wrong(`minItems: no list of ${min} fits`, place)
  if (heads.length === 0) {
    const item = most === 0 ? NULL : valueOf(items, inside(place, 'items'))
    return bracketed('[', listOf(item, min, most), ']')
  }
  let rest: Grammar = sequence()
  if (most > heads.length) {
    const least = Math.max(0, min - heads.length)
    const more = sequence(
      COMMA,
      listOf(valueOf(items, inside(place, 'items')), Math.max(1, least), most - heads.length),
    )
    rest = least > 0 ? more : optional(more)
  }
  for (const [i, head] of [...heads.entries()].toReversed()) {
    const here = sequence(...(i > 0 ? [COMMA] : []), head, rest)
    rest = i < min ? here : optional(here)
  }
  return bracketed('[', rest, ']')
}

// ---- strings and numbers ----------------------------------------------------------------------------------------

function textOf(schema: Keywords, place: Place): Grammar {
  const { pattern, format } = schema
  const given = OF_TYPE.string.filter((key) => schema[key] !== undefined)
  if (pattern !== undefined || format !== undefined) {
    if (given.length > 1)
      throw wrong(`${given.join(' and ')} together are not supported`, place, 'say all in pattern')
    const known = typeof format === 'string' && Object.hasOwn(FORMATS, format) ? FORMATS[format] : pattern
    if (typeof known !== 'string')
      throw wrong(
        format === undefined
          ? `pattern: expected a text, got ${showValue(pattern)}`
          : `the format ${showValue(format)} is not supported`,
        place,
        format === undefined ? undefined : `known are ${Object.keys(FORMATS).join(', ')}; or use pattern`,
      )
    return quoted(stringPattern(known, `schema ${place.path}`))
  }
  return stringOf(...limits(schema, ['minLength', 'maxLength'], place))
}

function integerOf(schema: Keywords, place: Place): Grammar {
  const given = OF_TYPE.integer.filter((key) => schema[key] !== undefined)
  if (given.length === 0) return INTEGER
  const most = 10 ** MOST_DIGITS - 1
  const limit = (key: string, without: number, toInteger: (value: number) => number): number => {
    const value = schema[key]
    if (value === undefined) return without
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw wrong(`${key}: expected a number, got ${showValue(value)}`, place)
    return Math.min(most, Math.max(-most, toInteger(value)))
  }
  const min = Math.max(
    limit('minimum', -most, Math.ceil),
    limit('exclusiveMinimum', -most, (value) => Math.floor(value) + 1),
  )
  const max = Math.min(
    limit('maximum', most, Math.floor),
    limit('exclusiveMaximum', most, (value) => Math.ceil(value) - 1),
  )
  if (min > max) throw wrong(`${given.join(', ')}: no integer fits`, place)
  return integersIn(min, max)
}

function limits(
  schema: Keywords,
  [least, most]: readonly [string, string],
  place: Place,
): readonly [number, number] {
  const read = (key: string, fallback: number): number => {
    const value = schema[key] ?? fallback
    if (value === Infinity || (typeof value === 'number' && Number.isInteger(value) && value >= 0))
      return value
    throw wrong(`${key}: expected a whole number from 0, got ${showValue(value)}`, place)
  }
  const [min, max] = [read(least, 0), read(most, Infinity)]
  if (min > max) throw wrong(`${least} is above ${most}`, place)
  return [min, max]
}
