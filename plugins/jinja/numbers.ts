/**
 * Python's numbers: exact ints of any size (up to a limit), floats, and their texts. An int is a `number` while that is
 * exact, else a `bigint`.
 */
import { templateError } from './errors.ts'
import { Float, type Value } from './values.ts'

export type Int = number | bigint
export type PyNumber = Int | Float

/** Bits of the largest int; beyond it arithmetic would take long. */
const MAX_BITS = 1 << 15

export function int(value: bigint): Int {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER))
    return Number(value)
  return value
}

/** Ints, floats and booleans (which count as 0 and 1); undefined for everything else. */
export function numberOf(value: Value): PyNumber | undefined {
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Float) return value
  return typeof value === 'boolean' ? Number(value) : undefined
}

export function toFloat(value: PyNumber): number {
  if (value instanceof Float) return value.value
  const number = Number(value)
  if (!Number.isFinite(number)) throw templateError('int too large to convert to float')
  return number
}

/** An int that fits in an index or a count; larger ones become ±2^53. */
export function clamped(value: Int): number {
  if (typeof value === 'number') return value
  return value < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER
}

export function arithmetic(
  operator: '+' | '-' | '*' | '/' | '//' | '%' | '**',
  a: PyNumber,
  b: PyNumber,
): PyNumber {
  if (operator === '/') return divide(a, b)
  if (a instanceof Float || b instanceof Float) return new Float(FLOAT[operator](toFloat(a), toFloat(b)))
  if (typeof a === 'number' && typeof b === 'number') {
    const quick = QUICK[operator](a, b)
    if (Number.isSafeInteger(quick)) return quick + 0 // no −0 among ints
  }
  if (operator === '**' && b < 0) return new Float(power(toFloat(a), toFloat(b)))
  return int(exact(operator, BigInt(a), BigInt(b)))
}

/** −1, 0 or 1; NaN when one is NaN. */
export function compareNumbers(a: PyNumber, b: PyNumber): number {
  const [left, right] = [a, b].map((item) => (item instanceof Float ? item.value : item))
  if (left < right) return -1
  if (left > right) return 1
  return left == right ? 0 : NaN // an int and a bigint may be equal
}

function divide(a: PyNumber, b: PyNumber): Float {
  const divisor = toFloat(b)
  if (divisor === 0) throw templateError('division by zero')
  return new Float(toFloat(a) / divisor)
}

/** NaN, or a number that is not a safe integer, where the exact way must be taken. */
const QUICK: Record<'+' | '-' | '*' | '//' | '%' | '**', (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '//': (a, b) => (isSmall(a, b) ? (a - (((a % b) + b) % b)) / b : NaN),
  '%': (a, b) => (isSmall(a, b) ? ((a % b) + b) % b : NaN),
  '**': () => NaN,
}

function isSmall(a: number, b: number): boolean {
  return b !== 0 && Math.abs(a) < 2 ** 51 && Math.abs(b) < 2 ** 51
}

const FLOAT: typeof QUICK = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '//': (a, b) => {
    const rest = floatModulo(a, b)
    return Math.round((a - rest) / b)
  },
  '%': floatModulo,
  '**': power,
}

function floatModulo(a: number, b: number): number {
  if (b === 0) throw templateError('float modulo by zero')
  const rest = a % b
  if (rest === 0) return b < 0 ? -0 : 0
  return rest < 0 === b < 0 ? rest : rest + b
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) throw templateError('0.0 cannot be raised to a negative power')
  const result = a ** b
  if (Number.isNaN(result) && !Number.isNaN(a)) throw templateError('complex numbers are not supported')
  if (!Number.isFinite(result) && Number.isFinite(a)) throw templateError('the result is too large')
  return result
}

function exact(operator: keyof typeof QUICK, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '+':
      return limited(a + b)
    case '-':
      return limited(a - b)
    case '*':
      return limited(a * b)
    case '**':
      if (bits(a) * Number(b) > MAX_BITS && a !== 1n && a !== 0n && a !== -1n) throw tooLarge()
      if (a === 0n || a === 1n) return b === 0n ? 1n : a
      return a === -1n ? (b % 2n === 0n ? 1n : -1n) : a ** b
    case '%':
    case '//': {
      if (b === 0n) throw templateError('integer modulo by zero')
      const rest = ((a % b) + b) % b
      return operator === '%' ? rest : (a - rest) / b
    }
    default:
      return operator satisfies never
  }
}

function bits(value: bigint): number {
  return value.toString(16).length * 4
}

function limited(value: bigint): bigint {
  if (bits(value) > MAX_BITS) throw tooLarge()
  return value
}

function tooLarge(): Error {
  return templateError(`an integer of more than ${MAX_BITS} bits`)
}

/** `repr()` of a float: the shortest digits that read back, with an exponent outside of 1e-4 … 1e16. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa, power10] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const exponent = Number(power10)
  const sign = value < 0 ? '-' : ''
  if (exponent < -4 || exponent >= 16) {
    const tail = Math.abs(exponent).toString().padStart(2, '0')
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${tail}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/** The int nearest to `value · 10^places`, halves to even, of the exact value of the float. */
export function scaled(value: number, places: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, Math.abs(value))
  const raw = view.getBigUint64(0)
  const exponent = Number(raw >> 52n)
  const mantissa = exponent === 0 ? raw & ((1n << 52n) - 1n) : (raw & ((1n << 52n) - 1n)) | (1n << 52n)
  const shift = Math.max(exponent, 1) - 1075
  let numerator = mantissa * (places > 0 ? 10n ** BigInt(places) : 1n)
  let denominator = places < 0 ? 10n ** BigInt(-places) : 1n
  if (shift > 0) numerator <<= BigInt(shift)
  else denominator <<= BigInt(-shift)
  const quotient = numerator / denominator
  const twice = 2n * (numerator % denominator)
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n)
  const rounded = up ? quotient + 1n : quotient
  return value < 0 ? -rounded : rounded
}
