/** The methods and attributes of lists, tuples, dicts, ranges and numbers; those of texts are in string-methods.ts. */
import { bind, positional, requireInt } from './arguments.ts'
import { templateError } from './errors.ts'
import { each, sizeOf } from './iterate.ts'
import { type Int, numberOf, toFloat } from './numbers.ts'
import { equals } from './operators.ts'
import { stringMethod } from './string-methods.ts'
import {
  type Call,
  Dict,
  DictView,
  Float,
  Instance,
  orElse,
  Range,
  textOf,
  Tuple,
  typeName,
  type Value,
} from './values.ts'

/** undefined when there is none; `unsafe` for one that the sandbox refuses. */
export function methodOf(value: Value, name: string): Value | 'unsafe' | undefined {
  if (textOf(value) !== undefined) return bound(stringMethod(value, name))
  if (value instanceof Dict) return DICT_CHANGES.has(name) ? 'unsafe' : bound(dictMethod(value, name))
  if (Array.isArray(value)) return LIST_CHANGES.has(name) ? 'unsafe' : bound(listMethod(value, name))
  if (value instanceof Tuple) return name === 'copy' ? undefined : bound(listMethod(value, name))
  if (value instanceof Range) return rangeAttribute(value, name)
  const number = numberOf(value)
  return number === undefined ? undefined : numberAttribute(number, name)
}

function bound(call: Call | undefined): Instance | undefined {
  return call && new Instance('builtin_function_or_method', { call })
}

const LIST_CHANGES = new Set(['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'])
const DICT_CHANGES = new Set(['clear', 'pop', 'popitem', 'setdefault', 'update'])

function dictMethod(dict: Dict, name: string): Call | undefined {
  switch (name) {
    case 'keys':
    case 'values':
    case 'items':
      return (_run, args, kwargs) => {
        positional(name, 0, 0, args, kwargs)
        return new DictView(dict, name)
      }
    case 'get':
      return (_run, args, kwargs) => {
        const [key = null, fallback = null] = positional('get', 1, 2, args, kwargs)
        return orElse(dict.get(key), () => fallback)
      }
    case 'copy':
      return (run) => {
        run.chargeItems(dict.size)
        return dict.copy()
      }
    case 'fromkeys':
      return dictFromKeys
    default:
      return undefined
  }
}

export const dictFromKeys: Call = (run, args, kwargs) => {
  const [keys = null, value = null] = positional('fromkeys', 1, 2, args, kwargs)
  const made = new Dict()
  for (const key of each(run, keys)) made.set(key, value)
  return made
}

function listMethod(list: Value[] | Tuple, name: string): Call | undefined {
  const items = Array.isArray(list) ? list : list.items
  switch (name) {
    case 'index':
      return (run, args, kwargs) => {
        const [wanted = null, start, stop] = positional('index', 1, 3, args, kwargs)
        const place = (bound: Value | undefined, fallback: number): number => {
          const index = bound === undefined ? fallback : requireInt('slice indices', bound)
          return index < 0 ? Math.max(0, index + items.length) : index
        }
        const end = place(stop, items.length)
        const at = items.findIndex((item, i) => i >= place(start, 0) && i < end && equals(run, item, wanted))
        if (at < 0) throw templateError('the value is not in the list')
        return at
      }
    case 'count':
      return (run, args, kwargs) => {
        const [wanted = null] = positional('count', 1, 1, args, kwargs)
        return items.filter((item) => equals(run, item, wanted)).length
      }
    case 'copy':
      return (run) => {
        run.chargeItems(items.length)
        return items.slice()
      }
    default:
      return undefined
  }
}

function rangeAttribute(range: Range, name: string): Value | undefined {
  if (name === 'start' || name === 'stop' || name === 'step') return range[name]
  if (name !== 'index' && name !== 'count') return undefined
  return bound((run, args, kwargs) => {
    const method = listMethod([...each(run, range)], name)
    return method === undefined ? null : method(run, args, kwargs)
  })
}

function numberAttribute(number: Int | Float, name: string): Value | undefined {
  const whole = number instanceof Float ? undefined : number
  switch (name) {
    case 'real':
    case 'conjugate':
      return name === 'real' ? number : bound(() => number)
    case 'imag':
      return whole === undefined ? new Float(0) : 0
    case 'numerator':
      return whole
    case 'denominator':
      return whole === undefined ? undefined : 1
    case 'is_integer':
      return bound(() => whole !== undefined || Number.isInteger(toFloat(number)))
    case 'bit_length':
      return whole === undefined
        ? undefined
        : bound(() => (whole == 0 ? 0 : BigInt(whole).toString(2).replace('-', '').length))
    default:
      return undefined
  }
}

/** `dict(…)`: of a dict, of pairs, of keywords. */
export const makeDict: Call = (run, args, kwargs) => {
  const [source] = bind('dict', ['source'], args, new Map())
  const dict = new Dict()
  run.chargeItems(kwargs.size + (source instanceof Dict ? source.size : 0))
  if (source instanceof Dict) for (const { key, value } of source.entries.values()) dict.set(key, value)
  else if (source !== undefined) {
    for (const pair of each(run, source)) {
      const size = sizeOf(pair)
      if (size !== 2) throw templateError(`dict() needs pairs, got a ${typeName(pair)}`)
      const [key, value] = [...each(run, pair)]
      dict.set(key, value)
    }
  }
  for (const [key, value] of kwargs) dict.set(key, value)
  return dict
}
