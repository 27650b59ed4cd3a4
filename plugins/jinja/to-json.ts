/** The `tojson` filter of transformers: Python's `json.dumps`, with its separators, and nothing escaped for HTML. */
import { templateError } from './errors.ts'
import { truth } from './iterate.ts'
import { bind } from './arguments.ts'
import { Dict, Float, type Kwargs, textOf, Tuple, typeName, type Value } from './values.ts'
import { sorted } from './operators.ts'
import { floatText, numberOf } from './numbers.ts'
import { listOf } from './iterate.ts'
import type { Run } from './run.ts'

interface Style {
  readonly ascii: boolean
  /** One level of indentation; undefined for one line. */
  readonly indent: string | undefined
  readonly item: string
  readonly key: string
  readonly sortKeys: boolean
}

export function toJson(run: Run, value: Value, args: readonly Value[], kwargs: Kwargs): string {
  const bound = bind('tojson', ['ensure_ascii', 'indent', 'separators', 'sort_keys'], args, kwargs)
  const [ascii = false, indent = null, separators = null, sortKeys = false] = bound
  const [item, key] = readSeparators(run, separators, indent !== null)
  const style: Style = {
    ascii: truth(ascii),
    indent: indentOf(run, indent),
    item,
    key,
    sortKeys: truth(sortKeys),
  }
  const text = dump(run, value, style, '\n')
  run.charge(text.length)
  return text
}

function indentOf(run: Run, indent: Value): string | undefined {
  if (indent === null) return undefined
  const text = textOf(indent)
  if (text !== undefined) return text
  const count = numberOf(indent)
  if (typeof count !== 'number') throw templateError('the indent of tojson must be an int or a str')
  run.charge(Math.max(0, count))
  return ' '.repeat(Math.max(0, count))
}

function readSeparators(run: Run, separators: Value, isIndented: boolean): string[] {
  if (separators === null) return [isIndented ? ',' : ', ', ': ']
  const parts = listOf(run, separators).map((part) => textOf(part))
  if (parts.length === 2 && parts.every((part) => part !== undefined)) return parts
  throw templateError('the separators of tojson must be two texts')
}

function dump(run: Run, value: Value, style: Style, newline: string): string {
  run.tick()
  if (value === null) return 'null'
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint')
    return String(value)
  const text = textOf(value)
  if (text !== undefined) return quoted(run, text, style.ascii)
  if (value instanceof Float) return floatJson(value.value)
  const items = Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined
  if (items === undefined && !(value instanceof Dict)) {
    throw templateError(`Object of type ${typeName(value)} is not JSON serializable`)
  }
  run.enter()
  const inner = style.indent === undefined ? '' : newline + style.indent
  const parts =
    value instanceof Dict
      ? entriesOf(run, value, style).map(
          ([key, item]) => `${key}${style.key}${dump(run, item, style, inner)}`,
        )
      : (items ?? []).map((item) => dump(run, item, style, inner))
  run.leave()
  const [open, close] = value instanceof Dict ? '{}' : '[]'
  if (parts.length === 0) return open + close
  return open + inner + parts.join(style.item + inner) + (style.indent === undefined ? '' : newline) + close
}

function entriesOf(run: Run, dict: Dict, { sortKeys, ascii }: Style): [string, Value][] {
  const keys = [...dict.entries.values()].map(({ key }) => key)
  const ordered = sortKeys ? sorted(run, keys, (key) => key, false) : keys
  return ordered.map((key) => [quoted(run, keyText(key), ascii), dict.get(key) ?? null])
}

function keyText(key: Value): string {
  const text = textOf(key)
  if (text !== undefined) return text
  if (key === null || typeof key === 'boolean' || typeof key === 'number' || typeof key === 'bigint')
    return String(key)
  if (key instanceof Float) return floatJson(key.value)
  throw templateError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

function floatJson(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  return floatText(value)
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function quoted(run: Run, text: string, ascii: boolean): string {
  run.charge(text.length)
  // The pattern without `u` sees the two halves of a surrogate pair, which is how Python writes it.
  const body = text.replace(ascii ? /["\\]|[^ -~]/g : /["\\]|[^ -\uFFFF]/g, (char) => {
    return SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `"${body}"`
}
