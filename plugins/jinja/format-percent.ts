/** `text % values`: printf-style formatting (https://docs.python.org/3/library/stdtypes.html#printf-style-string-formatting). */
import { templateError } from './errors.ts'
import { exponential, fixed, general } from './format-number.ts'
import { floatText, numberOf, toFloat } from './numbers.ts'
import { requireInt } from './arguments.ts'
import type { Run } from './run.ts'
import { ascii, repr } from './show.ts'
import { codePoints, lengthOf } from './text.ts'
import { Dict, Float, textOf, Tuple, typeName, type Value } from './values.ts'

const DIRECTIVE = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?(.)?/gsu

/** `text`: how `%s` writes a value; marked text escapes it. */
export function formatPercent(
  run: Run,
  format: string,
  values: Value,
  text: (value: Value) => string,
): string {
  run.charge(format.length)
  const items = values instanceof Tuple ? values.items : [values]
  let used = 0
  let usedNames = false
  const next = (): Value => {
    if (used >= items.length) throw templateError('not enough arguments for format string')
    return items[used++]
  }
  const result = format.replace(DIRECTIVE, (...match: (string | undefined)[]) => {
    const [, name, flags = '', width, precision, type] = match
    if (type === '%' && name === undefined) return '%'
    const size = width === '*' ? requireInt('*', next()) : Number(width ?? 0)
    const places =
      precision === '*' ? requireInt('*', next()) : precision === undefined ? undefined : Number(precision)
    if (name !== undefined) usedNames = true
    const value = name === undefined ? next() : named(values, name)
    const [sign, body] = directive(run, value, type, flags, places, text)
    return padded(run, sign, body, flags, size, type)
  })
  if (used < items.length && !usedNames && !(values instanceof Dict) && !Array.isArray(values)) {
    throw templateError('not all arguments converted during string formatting')
  }
  return result
}

function named(values: Value, name: string): Value {
  if (!(values instanceof Dict)) throw templateError('format requires a mapping')
  const value = values.get(name)
  if (value === undefined) throw templateError(`KeyError: '${name}'`)
  return value
}

/** The sign and the rest. */
function directive(
  run: Run,
  value: Value,
  type: string | undefined,
  flags: string,
  places: number | undefined,
  text: (value: Value) => string,
): [string, string] {
  if (type === 's' || type === 'r' || type === 'a') {
    const whole = type === 's' ? text(value) : type === 'r' ? repr(run, value) : ascii(run, value)
    const points = codePoints(whole).slice(0, places)
    return ['', typeof points === 'string' ? points : points.join('')]
  }
  if (type === 'c') {
    const char = textOf(value) ?? String.fromCodePoint(requireInt('%c', value))
    if (lengthOf(char) !== 1) throw templateError('%c requires int or char')
    return ['', char]
  }
  const number = numberOf(value)
  if (type === undefined || !'diuoxXeEfFgG'.includes(type))
    throw templateError(`unsupported format character '${type ?? ''}'`)
  if (number === undefined)
    throw templateError(`%${type} format: a number is required, not ${typeName(value)}`)
  const digits = 'diuoxX'.includes(type)
    ? integer(number, type, flags, places)
    : real(toFloat(number), type, flags, places ?? 6)
  const plus = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  return digits.startsWith('-') ? ['-', digits.slice(1)] : [plus, digits]
}

function integer(number: number | bigint | Float, type: string, flags: string, places: number = 0): string {
  if (number instanceof Float && 'oxX'.includes(type))
    throw templateError(`%${type} format: an integer is required, not float`)
  const whole = number instanceof Float ? BigInt(Math.trunc(number.value)) : BigInt(number)
  const radix = type === 'o' ? 8 : type === 'x' || type === 'X' ? 16 : 10
  const digits = (whole < 0n ? -whole : whole).toString(radix).padStart(places, '0')
  const prefix = flags.includes('#') && radix !== 10 ? `0${type}` : ''
  return (whole < 0n ? '-' : '') + prefix + (type === 'X' ? digits.toUpperCase() : digits)
}

function real(value: number, type: string, flags: string, places: number): string {
  const lower = type.toLowerCase()
  const text = !Number.isFinite(value)
    ? floatText(value)
    : lower === 'f'
      ? fixed(value, places)
      : lower === 'e'
        ? exponential(value, places)
        : general(value, places, flags.includes('#'))
  return type === lower ? text : text.toUpperCase()
}

function padded(
  run: Run,
  sign: string,
  body: string,
  flags: string,
  size: number,
  type: string = 's',
): string {
  const missing = Math.max(0, Math.abs(size) - lengthOf(sign) - lengthOf(body))
  run.charge(missing)
  if (flags.includes('-') || size < 0) return sign + body + ' '.repeat(missing)
  if (flags.includes('0') && !'srac'.includes(type)) return sign + '0'.repeat(missing) + body
  return ' '.repeat(missing) + sign + body
}
