/**
 * A part of tokenizer.json on its way to something that runs: typed look-ups that name the place of what is wrong.
 */
import { TrituneError, showValue } from '../../core/mod.ts'
import { type Json, isJson } from './parsed-files.ts'

/** Deeper nesting is damage, and would end in a stack overflow. */
const MAX_DEPTH = 32

export interface Part {
  readonly value: Json
  /** The name of its kind; '' when it has none. */
  readonly type: string
  text(key: string, fallback?: string): string
  optionalText(key: string): string | null
  flag(key: string, fallback?: boolean): boolean
  integer(key: string, fallback?: number): number
  /** A part under `key`. */
  part(key: string): Part
  /** The parts of a list under `key`. */
  parts(key: string): Part[]
  /** The value under `key`, whatever it is, and an error at its place. */
  get(key: string): unknown
  /** `expected KEY to be WANTED, got …` */
  wrong(key: string, wanted: string): TrituneError
  /** Something about the whole part. */
  error(what: string, remedy?: string): TrituneError
}

export function createPart(value: unknown, place: string, depth = 0): Part {
  const fail = (
    what: string,
    remedy = 'tokenizer.json is damaged, or written by another version',
  ): TrituneError => new TrituneError('E_TOKENIZER', what, { place, remedy })
  if (!isJson(value)) throw fail(`expected a mapping, got ${showValue(value)}`)
  if (depth > MAX_DEPTH) throw fail(`the parts are nested more than ${MAX_DEPTH} deep`)
  const own = (key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined)
  const wrong = (key: string, wanted: string): TrituneError =>
    fail(
      `expected "${key}" to be ${wanted}, got ${Object.hasOwn(value, key) ? showValue(value[key]) : 'nothing'}`,
    )
  const child = (key: string): string => (place.endsWith(':') ? `${place} ${key}` : `${place}.${key}`)
  const type = own('type')
  return {
    value,
    type: typeof type === 'string' ? type : '',
    text(key, fallback) {
      const text = own(key) ?? fallback
      if (typeof text !== 'string') throw wrong(key, 'a text')
      return text
    },
    optionalText(key) {
      const text = own(key) ?? null
      if (text !== null && typeof text !== 'string') throw wrong(key, 'a text or null')
      return text
    },
    flag(key, fallback) {
      const flag = own(key) ?? fallback
      if (typeof flag !== 'boolean') throw wrong(key, 'true or false')
      return flag
    },
    integer(key, fallback) {
      const number = own(key) ?? fallback
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
        throw wrong(key, 'an integer of 0 or more')
      return number
    },
    part: (key) => createPart(own(key), child(key), depth + 1),
    parts(key) {
      const list = own(key)
      if (!Array.isArray(list)) throw wrong(key, 'a list')
      return list.map((item: unknown, i) => createPart(item, `${child(key)}[${i}]`, depth + 1))
    },
    get: own,
    wrong,
    error: fail,
  }
}

/** What `part.type` stands for in `table`; kinds that are not there are an error that lists what is. */
export function byType<T>(part: Part, table: Readonly<Record<string, (part: Part) => T>>): T {
  const make = Object.hasOwn(table, part.type) ? table[part.type] : undefined
  if (make) return make(part)
  const known = Object.keys(table).join(', ')
  throw part.error(
    part.type === '' ? 'it has no "type"' : `the type "${part.type}" is not known`,
    `known types: ${known}`,
  )
}
