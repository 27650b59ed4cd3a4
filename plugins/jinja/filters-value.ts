/** Jinja's filters on single values: defaults, numbers, attributes. And those that are refused, with the reason. */
import { attributeOnly } from './access.ts'
import { bind, requireInt, requireText } from './arguments.ts'
import type { Filter, Use } from './environment.ts'
import { templateError } from './errors.ts'
import { fixed } from './format-number.ts'
import { trimmed } from './html.ts'
import { truth } from './iterate.ts'
import { compareNumbers, int, numberOf, type PyNumber, scaled, toFloat } from './numbers.ts'
import { negated } from './operators.ts'
import { Float, textOf, typeName, Undefined, type Value } from './values.ts'

function filter(
  name: string,
  parameters: readonly string[],
  body: (use: Use, value: Value, args: (Value | undefined)[]) => Value,
): Filter {
  return (use, value, args, kwargs) => body(use, value, bind(name, parameters, args, kwargs))
}

const fallback: Filter = filter(
  'default',
  ['default_value', 'boolean'],
  (_use, value, [instead = '', boolean = false]) =>
    value instanceof Undefined || (truth(boolean) && !truth(value)) ? instead : value,
)

export const VALUE_FILTERS: Readonly<Record<string, Filter>> = {
  default: fallback,
  d: fallback,
  abs: filter('abs', [], (_use, value) => {
    const number = requireNumber('abs', value)
    return compareNumbers(number, 0) < 0 ? negated('-', number) : number
  }),
  attr: filter('attr', ['name!'], (_use, value, [name]) => attributeOnly(value, requireText('name', name))),
  int: filter(
    'int',
    ['default', 'base'],
    (_use, value, [instead = 0, base = 10]) => toInt(value, requireInt('base', base)) ?? instead,
  ),
  float: filter('float', ['default'], (_use, value, [instead = new Float(0)]) => toReal(value) ?? instead),
  round: filter('round', ['precision', 'method'], (_use, value, [precision = 0, method = 'common']) =>
    round(requireNumber('round', value), requireInt('precision', precision), method),
  ),
  filesizeformat: filter('filesizeformat', ['binary'], (_use, value, [binary = false]) =>
    fileSize(value, truth(binary)),
  ),
  pprint: refused('pprint', 'it lays values out for a screen'),
  urlize: refused('urlize', 'it writes HTML'),
  wordwrap: refused('wordwrap', 'it lays text out for a screen'),
}

/** Filters that no chat template has a use for say so when they are called. */
function refused(name: string, reason: string): Filter {
  return () => {
    throw templateError(`the filter ${name} is not supported: ${reason}`)
  }
}

function requireNumber(what: string, value: Value): PyNumber {
  if (value instanceof Undefined) throw templateError(value.message)
  const number = numberOf(value)
  if (number === undefined) throw templateError(`${what} needs a number, not a ${typeName(value)}`)
  return number
}

/** `int(value, base)`, else `int(float(value))`; undefined when neither works. */
function toInt(value: Value, base: number): Value | undefined {
  if (value instanceof Undefined) throw templateError(value.message)
  const text = textOf(value)
  const parsed = text === undefined ? numberOf(value) : parseInteger(trimmed(text), base)
  if (parsed !== undefined && !(parsed instanceof Float)) return parsed
  const real = toReal(value)
  return real !== undefined && Number.isFinite(real.value) ? int(BigInt(Math.trunc(real.value))) : undefined
}

const PREFIXES: Readonly<Record<string, number>> = { '0b': 2, '0o': 8, '0x': 16 }

function parseInteger(text: string, base: number): number | bigint | undefined {
  if (base !== 0 && (base < 2 || base > 36)) throw templateError('int() base must be >= 2 and <= 36, or 0')
  const match = /^([+-]?)(0[box]_?)?([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(text)
  if (match === null || text.length > 5000) return undefined
  const [, sign, prefix = '', digits] = match
  const prefixBase = PREFIXES[prefix.slice(0, 2).toLowerCase()]
  const isPrefixed = prefixBase !== undefined && (base === 0 || base === prefixBase)
  const radix = isPrefixed ? prefixBase : base === 0 ? 10 : base
  const plain = (isPrefixed ? digits : prefix + digits).replaceAll('_', '').toLowerCase()
  let value = 0n
  for (const char of plain) {
    const digit = Number.parseInt(char, 36)
    if (digit >= radix) return undefined
    value = value * BigInt(radix) + BigInt(digit)
  }
  if (base === 0 && !isPrefixed && /^0+[1-9]/.test(plain)) return undefined
  return int(sign === '-' ? -value : value)
}

function toReal(value: Value): Float | undefined {
  if (value instanceof Undefined) throw templateError(value.message)
  const number = numberOf(value)
  if (number !== undefined) return new Float(toFloat(number))
  const text = textOf(value)
  const plain = text === undefined ? '' : trimmed(text).toLowerCase()
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(plain)
  if (special !== null)
    return new Float(special[2] === 'nan' ? NaN : special[1] === '-' ? -Infinity : Infinity)
  const isNumber =
    /^[+-]?(\d+(_\d+)*)?(\.(\d+(_\d+)*)?)?(e[+-]?\d+(_\d+)*)?$/.test(plain) && /^[+-]?\.?\d/.test(plain)
  return isNumber ? new Float(Number(plain.replaceAll('_', ''))) : undefined
}

function round(number: PyNumber, precision: number, method: Value): Value {
  if (method !== 'common' && method !== 'ceil' && method !== 'floor') {
    throw templateError('method must be common, ceil or floor')
  }
  if (Math.abs(precision) > 400) throw templateError('a precision beyond 400')
  if (method === 'common') return nearest(number, precision)
  const factor = 10 ** precision
  const whole = method === 'ceil' ? Math.ceil(toFloat(number) * factor) : Math.floor(toFloat(number) * factor)
  return new Float(whole / factor)
}

/** `round(number, precision)`: halves to even, an int stays an int. */
function nearest(number: PyNumber, precision: number): Value {
  if (number instanceof Float) {
    const { value } = number
    if (!Number.isFinite(value)) return number
    if (precision >= 0) return new Float(Number(fixed(value, precision)))
    return new Float(Number(scaled(value, precision) * 10n ** BigInt(-precision)))
  }
  if (precision >= 0) return number
  const unit = 10n ** BigInt(-precision)
  const whole = BigInt(number)
  const rest = ((whole % unit) + unit) % unit
  const low = whole - rest
  const isUp = rest * 2n > unit || (rest * 2n === unit && (low / unit) % 2n !== 0n)
  return int(isUp ? low + unit : low)
}

function fileSize(value: Value, binary: boolean): string {
  const real = toReal(value)
  if (real === undefined) throw templateError('filesizeformat needs a number')
  const bytes = real.value
  const base = binary ? 1024 : 1000
  if (bytes === 1) return '1 Byte'
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`
  const names = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']
  const at = names.findIndex((_, i) => bytes < base ** (i + 2))
  const i = at < 0 ? names.length - 1 : at
  const name = binary ? `${names[i].toUpperCase()}iB` : `${names[i]}B`
  return `${fixed((base * bytes) / base ** (i + 2), 1)} ${name}`
}
