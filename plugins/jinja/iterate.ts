/** Truth, length and iteration of values. */
import { templateError } from './errors.ts'
import type { Run } from './run.ts'
import { lengthOf } from './text.ts'
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

export function truth(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return value !== ''
  if (value === null || value === 0 || value === 0n) return false
  if (value instanceof Float) return value.value !== 0
  return sizeOf(value) !== 0
}

/** `len()`; undefined where Python raises a TypeError. */
export function sizeOf(value: Value): number | undefined {
  if (typeof value === 'string') return lengthOf(value)
  if (Array.isArray(value)) return value.length
  if (value instanceof Dict) return value.size
  if (value instanceof Markup) return lengthOf(value.text)
  if (value instanceof Tuple) return value.items.length
  if (value instanceof Undefined) return 0
  if (value instanceof Range) return value.length
  if (value instanceof DictView) return value.dict.size
  return value instanceof Instance ? value.parts.length?.() : undefined
}

export function requireSize(value: Value): number {
  const size = sizeOf(value)
  if (size === undefined) throw templateError(`object of type '${typeName(value)}' has no len()`)
  return size
}

/** The values of an iterable; undefined where Python raises a TypeError. */
export function iterator(value: Value): Iterator<Value> | undefined {
  if (Array.isArray(value)) return value[Symbol.iterator]()
  if (typeof value === 'string') return value[Symbol.iterator]()
  if (value instanceof Markup) return marked(value.text)
  if (value instanceof Tuple) return value.items[Symbol.iterator]()
  if (value instanceof Dict) return viewed(value, 'keys')
  if (value instanceof DictView) return viewed(value.dict, value.kind)
  if (value instanceof Range) return counted(value)
  if (value instanceof Stream) return value.iterator
  return value instanceof Undefined ? [][Symbol.iterator]() : undefined
}

export function requireIterator(value: Value): Iterator<Value> {
  const values = iterator(value)
  if (values === undefined) throw templateError(`'${typeName(value)}' object is not iterable`)
  return values
}

export function* each(run: Run, value: Value): Generator<Value> {
  const values = requireIterator(value)
  for (let next = values.next(); next.done !== true; next = values.next()) {
    run.tick()
    yield next.value
  }
}

/** A new list. */
export function listOf(run: Run, value: Value): Value[] {
  if (Array.isArray(value)) {
    run.chargeItems(value.length)
    return value.slice()
  }
  return [...each(run, value)]
}

/** Whether Python's `reversed()` takes it. */
export function isReversible(value: Value): boolean {
  if (value instanceof Stream || value instanceof Namespace || value instanceof Undefined) return false
  return iterator(value) !== undefined
}

/** `zip`-like streams of filters. */
export function stream(values: Iterator<Value>): Stream {
  return new Stream(values)
}

function* marked(text: string): Generator<Value> {
  // As markupsafe: the characters of marked text are plain.
  yield* text
}

function* viewed(dict: Dict, kind: DictView['kind']): Generator<Value> {
  for (const { key, value } of dict.entries.values()) {
    yield kind === 'keys' ? key : kind === 'values' ? value : new Tuple([key, value])
  }
}

function* counted({ start, step, length }: Range): Generator<Value> {
  for (let i = 0; i < length; i++) yield start + i * step
}
