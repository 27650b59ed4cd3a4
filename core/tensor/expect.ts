/**
 * What ops ask of their arguments beyond a shape and a dtype: whole sizes, ranks, numbers in a range, names of a set,
 * keys of noise, and walks that stay inside a tensor. Nothing native is called before these have passed.
 */
import { TrituneError } from '../errors.ts'
import { formatShape, type Shape } from './shape.ts'

/** Sizes, offsets and products of them are exact up to here. */
const LARGEST = Number.MAX_SAFE_INTEGER

/** Numbers reach kernels as f32. */
const LARGEST_FLOAT = 3.4028234663852886e38

const LARGEST_INT32 = 2 ** 31 - 1

/** Throws E_VALUE unless `value` is an object whose properties can be read: options of an op. */
export function expectOptions(op: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return
  throw new TrituneError('E_VALUE', `${op}: its options are an object, got ${showKind(value)}`)
}

/** Throws E_SHAPE unless `value` is a list: a shape, or an order of axes. */
export function expectList(subject: string, value: unknown, what = 'a shape is a list of sizes'): void {
  if (!Array.isArray(value)) throw new TrituneError('E_SHAPE', `${subject}: ${what}, got ${showKind(value)}`)
}

/** What a value is, for a message; its content may be anything. */
export function showKind(value: unknown): string {
  if (value === null || ['undefined', 'number', 'boolean', 'bigint', 'symbol'].includes(typeof value))
    return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Throws E_SHAPE unless all sizes are whole numbers from 0 and so many elements of `bytes` bytes can be counted. */
export function expectSizes(subject: string, shape: Shape, bytes = 1): void {
  expectList(subject, shape)
  let total = bytes
  for (const n of shape) {
    if (!(Number.isSafeInteger(n) && n >= 0))
      throw new TrituneError('E_SHAPE', `${subject}: ${String(n)} in ${formatShape(shape)} is not a size`, {
        remedy: 'sizes are whole numbers from 0 to 2⁵³ − 1',
      })
    // A size of 0 makes the tensor empty, not the others right.
    total *= n || 1
  }
  if (total > LARGEST) throw new TrituneError('E_SHAPE', `${subject}: ${formatShape(shape)} is too large`)
}

/** Throws E_SHAPE unless `shape` has `rank` axes. */
export function expectRank(subject: string, shape: Shape, rank: number): void {
  if (shape.length !== rank)
    throw new TrituneError('E_SHAPE', `${subject}: expected ${rank} axes, got shape ${formatShape(shape)}`)
}

/** Throws E_SHAPE where rows are empty: there is no mean, no norm and no softmax of nothing. */
export function expectRows(subject: string, shape: Shape): void {
  if (shape.at(-1) === 0)
    throw new TrituneError('E_SHAPE', `${subject}: rows of ${formatShape(shape)} are empty`)
}

/** Throws E_SHAPE where a matrix of weights has no rows or no columns. */
export function expectFeatures(subject: string, shape: Shape): void {
  if (shape.includes(0)) throw new TrituneError('E_SHAPE', `${subject}: ${formatShape(shape)} is empty`)
}

/** Of cap·tanh(x/cap): above it x/cap is so small that f32 would lose x. */
export const LARGEST_SOFTCAP = 1e4

export interface NumberRange {
  readonly min?: number
  readonly max?: number
  /** `max` itself is too large. */
  readonly below?: boolean
  /** `min` itself is too small. */
  readonly above?: boolean
}

/** Throws E_VALUE unless `value` is a finite number in the range. */
export function expectNumber(
  op: string,
  name: string,
  value: number,
  { min = -LARGEST_FLOAT, max = LARGEST_FLOAT, below = false, above = false }: NumberRange = {},
): void {
  const fits =
    Number.isFinite(value) && (above ? value > min : value >= min) && (below ? value < max : value <= max)
  if (fits) return
  const low = min === -LARGEST_FLOAT ? '' : `${above ? 'above' : 'from'} ${min}`
  const high = max === LARGEST_FLOAT ? '' : `${below ? 'below' : 'up to'} ${max}`
  const range = [low, high].filter(Boolean).join(', ')
  throw new TrituneError(
    'E_VALUE',
    `${op}: ${name} must be a finite number${range ? ` ${range}` : ''}, got ${String(value)}`,
  )
}

/** Throws E_VALUE unless `value` is a whole number from `min` to `max`. */
export function expectInteger(
  op: string,
  name: string,
  value: number,
  { min = 0, max = LARGEST_INT32 }: { readonly min?: number; readonly max?: number } = {},
): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new TrituneError(
    'E_VALUE',
    `${op}: ${name} must be a whole number from ${min} to ${max}, got ${String(value)}`,
  )
}

/** Throws E_VALUE unless `value` is one of the keys of `known`. */
export function expectKnown(op: string, name: string, value: string, known: object): void {
  if (Object.hasOwn(known, value)) return
  throw new TrituneError(
    'E_VALUE',
    `${op}: ${name} is ${String(value)}, there are ${Object.keys(known).join(', ')}`,
  )
}

const KEY_WORDS = 6

/** Throws E_VALUE unless `key` is a key of noise: 6 words, as `noiseKey` makes them. */
export function expectKey(op: string, key: Uint32Array | null | undefined): void {
  if (key instanceof Uint32Array && key.length === KEY_WORDS) {
    if (key[5] < 2 ** 21) return
    throw new TrituneError('E_VALUE', `${op}: the offset of a key of noise must be below 2⁵³`)
  }
  const got = key instanceof Uint32Array ? `${key.length} words` : String(key)
  throw new TrituneError('E_VALUE', `${op}: a key of noise has ${KEY_WORDS} words, got ${got}`)
}

/** Throws E_VALUE unless p is a share from 0, below 1, with a key of noise where it is not 0. */
export function expectDropout(op: string, p: number, key: Uint32Array | null | undefined): void {
  expectNumber(op, 'dropout', p, { min: 0, max: 1, below: true })
  if (p > 0) expectKey(op, key)
}

/** One axis of a walk: how many steps, and how far each goes. */
export interface WalkedAxis {
  readonly size: number
  readonly stride: number
}

/** Throws E_SHAPE unless a walk from `start` stays inside `length` elements; strides are not negative. */
export function expectInside(
  subject: string,
  axes: readonly WalkedAxis[],
  start: number,
  length: number,
): void {
  let last = start
  for (const { size, stride } of axes) {
    if (![size, stride].every((n) => Number.isSafeInteger(n) && n >= 0))
      throw new TrituneError(
        'E_SHAPE',
        `${subject}: size ${size} with stride ${stride}: both are whole numbers from 0`,
      )
    last += Math.max(0, size - 1) * stride
  }
  if (!(Number.isSafeInteger(start) && start >= 0))
    throw new TrituneError('E_SHAPE', `${subject}: it cannot start at element ${start}`)
  const isEmpty = axes.some(({ size }) => size === 0)
  if (isEmpty ? start > length : last >= length)
    throw new TrituneError('E_SHAPE', `${subject}: element ${last} of ${length} would be reached`)
}

/** Throws E_SHAPE where two steps of a walk may meet in one element. */
export function expectApart(subject: string, axes: readonly WalkedAxis[]): void {
  if (axes.some(({ size }) => size === 0)) return
  let reach = 0
  for (const { size, stride } of axes.toSorted((a, b) => a.stride - b.stride)) {
    if (size <= 1) continue
    if (stride <= reach)
      throw new TrituneError('E_SHAPE', `${subject}: a stride of ${stride} meets elements of other axes`)
    reach += (size - 1) * stride
  }
}
