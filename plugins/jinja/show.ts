/** `str()` and `repr()` of values. */
import { templateError } from './errors.ts'
import { floatText } from './numbers.ts'
import type { Run } from './run.ts'
import {
  Dict,
  DictView,
  Float,
  Instance,
  Markup,
  Namespace,
  Range,
  Stream,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export function str(run: Run, value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Markup) return value.text
  if (value instanceof Undefined) {
    if (run.isStrict) throw templateError(value.message)
    return ''
  }
  return repr(run, value)
}

export function repr(run: Run, value: Value): string {
  run.tick()
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return quoted(run, value)
  if (value instanceof Float) return floatText(value.value)
  if (value instanceof Markup) return `Markup(${quoted(run, value.text)})`
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Range) {
    return `range(${value.start}, ${value.stop}${value.step === 1 ? '' : `, ${value.step}`})`
  }
  if (value instanceof Instance && value.parts.text !== undefined) return value.parts.text()
  if (value instanceof Instance || value instanceof Stream) {
    throw templateError(`a ${typeName(value)} cannot be written (Python would write its address)`)
  }
  run.enter()
  const text = nested(run, value)
  run.leave()
  run.charge(text.length)
  return text
}

function nested(run: Run, value: Value[] | Dict | DictView | Namespace | Tuple): string {
  const all = (items: readonly Value[]): string => items.map((item) => repr(run, item)).join(', ')
  if (Array.isArray(value)) return `[${all(value)}]`
  if (value instanceof Tuple) return `(${all(value.items)}${value.items.length === 1 ? ',' : ''})`
  if (value instanceof Dict) {
    return `{${[...value.entries.values()].map(({ key, value: item }) => `${repr(run, key)}: ${repr(run, item)}`).join(', ')}}`
  }
  if (value instanceof DictView) {
    const entries = [...value.dict.entries.values()]
    if (value.kind !== 'items')
      return `dict_${value.kind}([${all(entries.map((entry) => (value.kind === 'keys' ? entry.key : entry.value)))}])`
    return `dict_items([${all(entries.map((entry) => new Tuple([entry.key, entry.value])))}])`
  }
  const attributes = new Dict()
  for (const [name, item] of value.attributes) attributes.set(name, item)
  return `<Namespace ${repr(run, attributes)}>`
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/** The text as a Python literal; what does not print is escaped. */
function quoted(run: Run, text: string): string {
  run.charge(text.length)
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(/[\\'"]|[\p{C}\p{Z}]/gu, (char) => {
    if (char === ' ') return char
    if (char === "'" || char === '"') return char === quote ? `\\${char}` : char
    return NAMED[char] ?? escaped(char)
  })
  return quote + body + quote
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0
  const digits = code.toString(16)
  if (code < 0x100) return `\\x${digits.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`
}

/** As `ascii()`: `repr()` without characters beyond ASCII. */
export function ascii(run: Run, value: Value): string {
  return repr(run, value).replace(/[^\0-\x7F]/gu, escaped)
}
