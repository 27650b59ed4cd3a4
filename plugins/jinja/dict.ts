/** Python's dict: ordered, with keys that are equal where Python's are (1, 1.0 and True are one key). */
import { templateError } from './errors.ts'
import { Float, Instance, Markup, Tuple, typeName, Undefined, type Value } from './values.ts'

interface Entry {
  readonly key: Value
  readonly value: Value
}

export class Dict {
  readonly entries: Map<unknown, Entry> = new Map()

  get size(): number {
    return this.entries.size
  }

  /** Throws when the key is a list or a dict. */
  get(key: Value): Value | undefined {
    return this.entries.get(hashKey(key))?.value
  }

  set(key: Value, value: Value): void {
    const hashed = hashKey(key)
    const old = this.entries.get(hashed)
    this.entries.set(hashed, { key: old === undefined ? key : old.key, value })
  }

  copy(): Dict {
    const copy = new Dict()
    for (const [hashed, entry] of this.entries) copy.entries.set(hashed, entry)
    return copy
  }
}

export function isHashable(value: Value): boolean {
  if (Array.isArray(value) || value instanceof Dict) return false
  return !(value instanceof Tuple) || value.items.every(isHashable)
}

/** Equal for values that are equal, as a key of a Map. */
export function hashKey(value: Value): unknown {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Markup) return value.text
  if (value instanceof Float) {
    const number = value.value
    return Number.isInteger(number) && !Number.isSafeInteger(number) ? BigInt(number) : number
  }
  if (value instanceof Undefined) return Undefined
  if (value instanceof Tuple && value.items.length > MAX_KEY)
    throw templateError('a tuple too long to be a key')
  if (value instanceof Tuple) return `\0tuple:${JSON.stringify(value.items.map(described))}`
  if (!isHashable(value)) throw templateError(`unhashable type: '${typeName(value)}'`)
  return value
}

/** Items of a tuple that is a key; a longer one would make each look-up slow. */
const MAX_KEY = 1000

function described(value: Value): [string, string] {
  const hashed = hashKey(value)
  if (hashed instanceof Instance) throw templateError(`a ${hashed.typeName} cannot be part of a key`)
  return [typeof hashed, String(hashed)]
}
