/** Values of JavaScript → values of templates. */
import { templateError } from './errors.ts'
import { int } from './numbers.ts'
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
  Undefined,
  type Value,
} from './values.ts'

const MAX_DEPTH = 500

/**
 * Objects become dicts, whole numbers ints, other numbers floats; `undefined` fields are left out. What is a value of a
 * template already stays. Throws for functions, symbols, and data nested too deeply.
 */
export function toValue(input: unknown, depth: number = 0): Value {
  if (input === null || typeof input === 'string' || typeof input === 'boolean') return input
  if (typeof input === 'number') return Number.isSafeInteger(input) ? input + 0 : fromNumber(input)
  if (typeof input === 'bigint') return int(input)
  if (typeof input !== 'object') throw templateError(`a template cannot be given a ${typeof input}`)
  if (depth > MAX_DEPTH) throw templateError(`data nested deeper than ${MAX_DEPTH}`)
  if (Array.isArray(input))
    return input.map((item: unknown) => (item === undefined ? null : toValue(item, depth + 1)))
  if (isValue(input)) return input
  const dict = new Dict()
  for (const [key, item] of Object.entries(input)) {
    if (item !== undefined) dict.set(key, toValue(item, depth + 1))
  }
  return dict
}

function fromNumber(number: number): Value {
  if (!Number.isInteger(number)) return new Float(number)
  throw templateError(`the integer ${number} is beyond 2^53, where JavaScript's numbers are not exact`)
}

function isValue(
  input: object,
): input is Dict | DictView | Float | Instance | Markup | Namespace | Range | Stream | Tuple | Undefined {
  return [Dict, Float, Markup, Tuple, Undefined, Range, Stream, DictView, Namespace, Instance].some(
    (kind) => input instanceof kind,
  )
}
