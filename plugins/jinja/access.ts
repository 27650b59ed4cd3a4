/**
 * Attributes, items and slices, as the immutable sandbox of Jinja gives them: `a.b` is the attribute, else the item;
 * `a['b']` the item, else the attribute. Methods that would change a list or a dict are not there.
 */
import { templateError } from './errors.ts'
import { requireInt } from './arguments.ts'
import { formatBraces } from './format-braces.ts'
import { formatSpec } from './format-spec.ts'
import { escapeHtml } from './html.ts'
import { methodOf } from './methods.ts'
import { clamped } from './numbers.ts'
import type { Run } from './run.ts'
import { codePoints, sliceIndices } from './text.ts'
import {
  Dict,
  Float,
  Instance,
  isHashable,
  Markup,
  Namespace,
  orElse,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** `value.name` */
export function attributeOf(run: Run, value: Value, name: string): Value {
  const own = ownAttribute(value, name)
  return orElse(own, () => orElse(item(run, value, name), () => missing(value, name)))
}

/** `value[key]` */
export function itemOf(run: Run, value: Value, key: Value): Value {
  return orElse(item(run, value, key), () => {
    const name = textOf(key)
    return orElse(name === undefined ? undefined : ownAttribute(value, name), () => missing(value, key))
  })
}

/** `value.name` without the items (the `attr` filter). */
export function attributeOnly(value: Value, name: string): Value {
  return orElse(ownAttribute(value, name), () => missing(value, name))
}

/** `value[start:stop:step]`; unlike items, a wrong type is an error here. */
export function sliceOf(run: Run, value: Value, bounds: readonly (Value | undefined)[]): Value {
  if (value instanceof Undefined) throw templateError(value.message)
  const [start, stop, step = 1] = bounds.map((bound) =>
    bound === undefined || bound === null ? undefined : requireInt('slice indices', bound),
  )
  if (step === 0) throw templateError('slice step cannot be zero')
  const text = textOf(value)
  const source = text === undefined ? sequenceItems(value) : codePoints(text)
  if (source === undefined) throw templateError(`'${typeName(value)}' object cannot be sliced`)
  const { first, count } = sliceIndices(source.length, start, stop, step)
  if (text === undefined) run.chargeItems(count)
  else run.charge(text.length)
  if (value instanceof Range) {
    const from = value.start + first * value.step
    return new Range(from, from + count * step * value.step, value.step * step)
  }
  if (typeof source === 'string' && step === 1) return likeText(value, source.slice(first, first + count))
  const picked = Array.from({ length: count }, (_, i) => source[first + i * step])
  if (text !== undefined) return likeText(value, picked.join(''))
  const items: Value[] = picked
  return Array.isArray(value) ? items : new Tuple(items)
}

function likeText(original: Value, text: string): Value {
  return original instanceof Markup ? new Markup(text) : text
}

/** Lists, tuples and ranges; the items of a range are not made, only counted. */
function sequenceItems(value: Value): Value[] | undefined {
  if (Array.isArray(value)) return value
  if (value instanceof Tuple) return value.items
  return value instanceof Range
    ? Array.from({ length: value.length }, (_, i) => value.start + i * value.step)
    : undefined
}

function formatMethod(value: Value, name: string): Value | undefined {
  const text = textOf(value)
  if (text === undefined) return undefined
  const find = { attribute: attributeOf, item: itemOf }
  return new Instance('builtin_function_or_method', {
    call(run, args, kwargs) {
      let [list, names] = [args, kwargs]
      if (name === 'format_map') {
        const [map] = args
        if (!(map instanceof Dict) || args.length > 1 || kwargs.size > 0)
          throw templateError('format_map() takes one dict')
        list = []
        names = new Map([...map.entries.values()].map(({ key, value: entry }) => [textOf(key) ?? '', entry]))
      }
      if (!(value instanceof Markup)) return formatBraces(run, text, list, names, find)
      const escape = (entry: Value, spec: string): string => {
        return entry instanceof Markup && spec === ''
          ? entry.text
          : escapeHtml(run, formatSpec(run, entry, spec))
      }
      return new Markup(formatBraces(run, text, list, names, find, escape))
    },
  })
}

const HIDDEN = new Set(
  [
    'class',
    'dict',
    'doc',
    'init',
    'len',
    'getitem',
    'iter',
    'module',
    'subclasshook',
    'new',
    'eq',
    'hash',
    'str',
    'repr',
  ].map((name) => `__${name}__`),
)

function ownAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof Undefined) throw templateError(value.message)
  if (HIDDEN.has(name)) return unsafe(value, name)
  if (value instanceof Namespace) return value.attributes.get(name)
  if (value instanceof Instance) return value.parts.attribute?.(name)
  if (value instanceof Tuple && value.names.includes(name)) return value.items[value.names.indexOf(name)]
  if (name === 'format' || name === 'format_map') {
    const format = formatMethod(value, name)
    if (format !== undefined) return format
  }
  const method = methodOf(value, name)
  return method === 'unsafe' ? unsafe(value, name) : method
}

function item(run: Run, value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) throw templateError(value.message)
  if (value instanceof Dict) return isHashable(key) ? value.get(key) : undefined
  if (key instanceof Float) return undefined
  const number = typeof key === 'boolean' ? Number(key) : key
  if (typeof number !== 'number' && typeof number !== 'bigint') return undefined
  const index = clamped(number)
  const text = textOf(value)
  if (text !== undefined) run.charge(text.length)
  if (value instanceof Range) {
    const at = index < 0 ? index + value.length : index
    return at >= 0 && at < value.length ? value.start + at * value.step : undefined
  }
  const source = text === undefined ? sequenceItems(value) : codePoints(text)
  if (source === undefined) return undefined
  const found: Value | undefined = source[index < 0 ? index + source.length : index]
  return text !== undefined && typeof found === 'string' ? likeText(value, found) : found
}

function unsafe(value: Value, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe`)
}

function missing(value: Value, key: Value): Undefined {
  const type = `'${typeName(value)} object'`
  const name = textOf(key)
  if (name !== undefined) return new Undefined(`${type} has no attribute '${name}'`)
  const index = typeof key === 'number' ? ` ${key}` : ` of type ${typeName(key)}`
  return new Undefined(`${type} has no element${index}`)
}
