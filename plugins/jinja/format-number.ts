/** Numbers as texts of a given precision, correctly rounded with halves to even, as Python's formats do. */
import { templateError } from './errors.ts'
import { scaled } from './numbers.ts'

const MAX_PRECISION = 1000

/** `value` with `places` digits after the point. Not for NaN and infinities. */
export function fixed(value: number, places: number): string {
  const digits = checked(places)
  const number = scaled(Math.abs(value), digits)
    .toString()
    .padStart(digits + 1, '0')
  const point = number.length - digits
  const text = digits === 0 ? number : `${number.slice(0, point)}.${number.slice(point)}`
  return isNegative(value) ? `-${text}` : text
}

/** `d.ddde+XX` with `places` digits after the point. */
export function exponential(value: number, places: number): string {
  const { digits, exponent } = significant(Math.abs(value), checked(places) + 1)
  const mantissa = places === 0 ? digits : `${digits[0]}.${digits.slice(1)}`
  const power = `${exponent < 0 ? '-' : '+'}${Math.abs(exponent).toString().padStart(2, '0')}`
  return `${isNegative(value) ? '-' : ''}${mantissa}e${power}`
}

/** As `%g`: `places` significant digits, with an exponent outside of 1e-4 … 10^places. */
export function general(value: number, places: number, keepZeros: boolean = false): string {
  const count = Math.max(1, checked(places))
  const { exponent } = significant(Math.abs(value), count)
  const usesExponent = exponent < -4 || exponent >= count
  const text = usesExponent ? exponential(value, count - 1) : fixed(value, count - 1 - exponent)
  if (keepZeros || !text.includes('.')) return text
  const [mantissa, power] = text.split('e')
  const trimmed = mantissa.replace(/0+$/, '').replace(/\.$/, '')
  return power === undefined ? trimmed : `${trimmed}e${power}`
}

/** The first `count` digits of a value that is not negative, and the power of ten of the first one. */
function significant(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(count), exponent: 0 }
  const exponent = Number(value.toExponential().split('e')[1])
  const digits = scaled(value, count - 1 - exponent).toString()
  // 9.99 may round up to 10.0.
  return digits.length > count
    ? { digits: digits.slice(0, count), exponent: exponent + 1 }
    : { digits, exponent }
}

/** Groups of `size` digits before the point, from the right. */
export function grouped(digits: string, separator: string, size: number): string {
  const end = digits.search(/[^0-9a-fA-F]/)
  const whole = end < 0 ? digits : digits.slice(0, end)
  const parts: string[] = []
  for (let at = whole.length; at > 0; at -= size) parts.unshift(whole.slice(Math.max(0, at - size), at))
  return parts.join(separator) + digits.slice(whole.length)
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0)
}

function checked(places: number): number {
  if (places <= MAX_PRECISION) return places
  throw templateError(`a precision above ${MAX_PRECISION}`)
}
