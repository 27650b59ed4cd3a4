/** `attribute=` of filters: a path of names and indices into each value. */
import { itemOf } from './access.ts'
import type { Run } from './run.ts'
import { Markup, textOf, Undefined, type Value } from './values.ts'

/** Reads `a.b.0` of a value; without an attribute the value itself. `fallback`: for what is not there. */
export function attributeGetter(
  run: Run,
  attribute: Value | undefined,
  fallback?: Value,
): (value: Value) => Value {
  const parts = partsOf(attribute)
  return (value) => {
    let found = value
    for (const part of parts) {
      found = itemOf(run, found, part)
      if (fallback !== undefined && fallback !== null && found instanceof Undefined) found = fallback
    }
    return found
  }
}

/** As above for several paths with commas between them: a list of values. */
export function multiGetter(
  run: Run,
  attribute: Value | undefined,
  after: (value: Value) => Value,
): (value: Value) => Value {
  const text = attribute === undefined ? undefined : textOf(attribute)
  const paths = text === undefined ? [attribute] : text.split(',')
  const getters = paths.map((path) => attributeGetter(run, path))
  return (value) => getters.map((get) => after(get(value)))
}

export function ignoreCase(value: Value): Value {
  if (typeof value === 'string') return value.toLowerCase()
  return value instanceof Markup ? new Markup(value.text.toLowerCase()) : value
}

function partsOf(attribute: Value | undefined): Value[] {
  if (attribute === undefined || attribute === null) return []
  const text = textOf(attribute)
  if (text === undefined) return [attribute]
  return text.split('.').map((part) => (/^\p{Nd}+$/u.test(part) ? Number(part) : part))
}
