/**
 * The values of a template, with Python's meaning: `null` is None, a `number` is an int (a `bigint` beyond 2^53), `Float`
 * is a float, a JavaScript array is a list. Only shapes; what can be done with them is in operators.ts, access.ts and the
 * files of methods and filters. A dict is ordered, with keys that are equal where Python's are (1, 1.0 and True are one key).
 */
import { templateError } from './errors.ts'
import type { Run } from './run.ts'

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Value[]
  | Dict
  | DictView
  | Float
  | Instance
  | Markup
  | Namespace
  | Range
  | Stream
  | Tuple
  | Undefined

export type Kwargs = ReadonlyMap<string, Value>

/** What a template calls: a method, a macro, a function of the environment. */
export type Call = (run: Run, args: readonly Value[], kwargs: Kwargs) => Value

export class Float {
  constructor(readonly value: number) {}
}

/** Text marked as HTML (`safe`, `escape`): what is joined to it is escaped. */
export class Markup {
  constructor(readonly text: string) {}
}

/** `names` are the attributes of a named tuple, such as the groups of `groupby`. */
export class Tuple {
  constructor(
    readonly items: Value[],
    readonly names: readonly string[] = [],
  ) {}
}

/** A name, attribute or item that is not there; `message` is said when it is used. */
export class Undefined {
  constructor(readonly message: string) {}
}

export class Range {
  readonly length: number
  constructor(
    readonly start: number,
    readonly stop: number,
    readonly step: number,
  ) {
    this.length = Math.max(0, Math.ceil((stop - start) / step))
  }
}

/** A generator: gives each value once. */
export class Stream {
  constructor(
    readonly iterator: Iterator<Value>,
    readonly typeName: string = 'generator',
  ) {}
}

export class DictView {
  constructor(
    readonly dict: Dict,
    readonly kind: 'keys' | 'values' | 'items',
  ) {}
}

export class Namespace {
  constructor(readonly attributes: Map<string, Value>) {}
}

export interface InstanceParts {
  readonly call?: Call
  attribute?(name: string): Value | undefined
  /** `str()` of it; without one it cannot be printed, since Python prints an address. */
  text?(): string
  length?(): number
}

/** Everything else: macros, `loop`, methods, functions. */
export class Instance {
  constructor(
    readonly typeName: string,
    readonly parts: InstanceParts,
  ) {}
}

/** `??` would take None for something that is missing. */
export function orElse(value: Value | undefined, fallback: () => Value): Value {
  return value === undefined ? fallback() : value
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' || typeof value === 'bigint') return 'int'
  if (typeof value === 'string') return 'str'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Float) return 'float'
  if (value instanceof Markup) return 'Markup'
  if (value instanceof Tuple) return 'tuple'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Range) return 'range'
  if (value instanceof Stream || value instanceof Instance) return value.typeName
  if (value instanceof DictView) return `dict_${value.kind}`
  if (value instanceof Namespace) return 'Namespace'
  return 'dict'
}

/** The text of a string, marked or not. */
export function textOf(value: Value): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Markup ? value.text : undefined
}

// ---- dict ----------------------------------------------------------------------------------------------------------

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
