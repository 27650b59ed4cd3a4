/**
 * Python's format specification, `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`
 * (https://docs.python.org/3/library/string.html#formatspec), for texts and numbers.
 */
import { templateError } from './errors.ts'
import { exponential, fixed, general, grouped } from './format-number.ts'
import { floatText, numberOf, toFloat, type PyNumber } from './numbers.ts'
import type { Run } from './run.ts'
import { str } from './show.ts'
import { codePoints, lengthOf } from './text.ts'
import { Float, textOf, typeName, type Value } from './values.ts'

interface Spec {
  readonly fill: string
  readonly align: string
  readonly sign: string
  readonly alternate: boolean
  readonly width: number
  readonly grouping: string
  readonly precision: number | undefined
  readonly type: string
}

const PATTERN = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su

export function formatSpec(run: Run, value: Value, spec: string): string {
  if (spec === '') return str(run, value)
  const number = numberOf(value)
  const text = textOf(value)
  const parsed = parse(spec)
  if (text !== undefined) return formatText(run, text, parsed)
  if (number === undefined)
    throw templateError(`unsupported format string passed to ${typeName(value)}.__format__`)
  return formatNumber(run, number, parsed)
}

function parse(spec: string): Spec {
  const match = PATTERN.exec(spec)
  if (match === null) throw templateError(`Invalid format specifier '${spec}'`)
  const [
    ,
    fill,
    align = '',
    sign = '-',
    ,
    alternate,
    zero,
    width = '0',
    grouping = '',
    precision,
    type = '',
  ] = match
  return {
    fill: fill ?? (zero === undefined || align !== '' ? ' ' : '0'),
    align: align === '' && zero !== undefined ? '=' : align,
    sign,
    alternate: alternate !== undefined,
    width: Number(width),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  }
}

function formatText(run: Run, text: string, spec: Spec): string {
  if (spec.type !== '' && spec.type !== 's')
    throw templateError(`Unknown format code '${spec.type}' for object of type 'str'`)
  if (spec.align === '=' && spec.fill !== '0')
    throw templateError("'=' alignment not allowed in string format specifier")
  const points = codePoints(text).slice(0, spec.precision)
  const cut = typeof points === 'string' ? points : points.join('')
  return pad(run, '', cut, { ...spec, align: spec.align === '' || spec.align === '=' ? '<' : spec.align })
}

function formatNumber(run: Run, number: PyNumber, spec: Spec): string {
  const isFloat = number instanceof Float || /^[eEfFgG%]$/.test(spec.type)
  const digits = isFloat ? floatDigits(toFloat(number), spec) : intDigits(number, spec)
  const sign = digits.startsWith('-') ? '-' : spec.sign === '-' ? '' : spec.sign
  const body = digits.replace(/^-/, '')
  const size = /^[bBoxX]$/.test(spec.type) ? 4 : 3
  const text = spec.grouping === '' ? body : grouped(body, spec.grouping, size)
  const prefix = spec.alternate && /^[boxX]$/.test(spec.type) ? `0${spec.type}` : ''
  return pad(run, sign + prefix, text, { ...spec, align: spec.align === '' ? '>' : spec.align })
}

function intDigits(number: number | bigint, { type, precision }: Spec): string {
  if (precision !== undefined) throw templateError('Precision not allowed in integer format specifier')
  const radix: Readonly<Record<string, number>> = { '': 10, d: 10, n: 10, b: 2, o: 8, x: 16, X: 16 }
  if (type === 'c') return String.fromCodePoint(Number(number))
  const base = radix[type]
  if (base === undefined) throw templateError(`Unknown format code '${type}' for object of type 'int'`)
  const text = number.toString(base)
  return type === 'X' ? text.toUpperCase() : text
}

function floatDigits(value: number, { type, precision, alternate }: Spec): string {
  if (!Number.isFinite(value)) return /[EFG]/.test(type) ? floatText(value).toUpperCase() : floatText(value)
  const places = precision ?? 6
  switch (type) {
    case 'f':
    case 'F':
      return fixed(value, places)
    case 'e':
      return exponential(value, places)
    case 'E':
      return exponential(value, places).toUpperCase()
    case 'g':
      return general(value, places, alternate)
    case 'G':
      return general(value, places, alternate).toUpperCase()
    case '%':
      return `${fixed(value * 100, places)}%`
    case '':
      return precision === undefined ? floatText(value) : withPoint(value, precision)
    default:
      throw templateError(`Unknown format code '${type}' for object of type 'float'`)
  }
}

/** A float without a type but with a precision: as `g`, and with at least one digit after the point. */
function withPoint(value: number, precision: number): string {
  const count = Math.max(1, precision)
  const text = general(value, count)
  if (text.includes('e') || text.includes('.')) return text
  return text.replace('-', '').length >= count ? exponentialShort(value, count) : `${text}.0`
}

function exponentialShort(value: number, count: number): string {
  const [mantissa, power] = exponential(value, count - 1).split('e')
  return `${mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa}e${power}`
}

function pad(run: Run, sign: string, body: string, { fill, align, width }: Spec): string {
  const missing = Math.max(0, width - lengthOf(sign) - lengthOf(body))
  run.charge(missing)
  if (align === '=') return sign + fill.repeat(missing) + body
  if (align === '<') return sign + body + fill.repeat(missing)
  const left = align === '^' ? Math.floor(missing / 2) : missing
  return fill.repeat(left) + sign + body + fill.repeat(missing - left)
}
