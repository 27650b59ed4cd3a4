/** The operators of expressions: arithmetic, joining, comparison, membership. */
import { templateError } from './errors.ts'
import { escapeHtml } from './html.ts'
import { each, iterator, sizeOf } from './iterate.ts'
import { arithmetic, clamped, compareNumbers, numberOf } from './numbers.ts'
import { formatPercent } from './format-percent.ts'
import type { Run } from './run.ts'
import { str } from './show.ts'
import { compareText } from './text.ts'
import {
  Dict,
  DictView,
  Instance,
  isHashable,
  Markup,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'notin'

export function binary(run: Run, operator: BinaryOperator, a: Value, b: Value): Value {
  if (a instanceof Undefined) throw templateError(a.message)
  if (operator === '%') {
    if (typeof a === 'string') return formatPercent(run, a, b, (value) => str(run, value))
    if (a instanceof Markup)
      return new Markup(formatPercent(run, a.text, b, (value) => escapeHtml(run, value)))
  }
  if (b instanceof Undefined) throw templateError(b.message)
  if (operator === '+') {
    const joined = join(run, a, b)
    if (joined !== undefined) return joined
  }
  if (operator === '*') {
    const repeated = repeat(run, a, b) ?? repeat(run, b, a)
    if (repeated !== undefined) return repeated
  }
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left === undefined || right === undefined) {
    throw templateError(`unsupported operand types for ${operator}: '${typeName(a)}' and '${typeName(b)}'`)
  }
  return arithmetic(operator, left, right)
}

export function negated(operator: '-' | '+', value: Value): Value {
  if (value instanceof Undefined) throw templateError(value.message)
  const number = numberOf(value)
  if (number === undefined)
    throw templateError(`bad operand type for unary ${operator}: '${typeName(value)}'`)
  return operator === '-' ? arithmetic('*', number, -1) : number
}

/** `~`: the texts, one after the other. */
export function concat(run: Run, values: readonly Value[]): string {
  const text = values.map((value) => str(run, value)).join('')
  run.charge(text.length)
  return text
}

function join(run: Run, a: Value, b: Value): Value | undefined {
  const [left, right] = [textOf(a), textOf(b)]
  if (left !== undefined && right !== undefined) {
    run.charge(left.length + right.length > 4096 ? left.length + right.length : 0)
    if (typeof a === 'string' && typeof b === 'string') return a + b
    return new Markup(escapeHtml(run, a) + escapeHtml(run, b))
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    run.chargeItems(a.length + b.length)
    return [...a, ...b]
  }
  if (a instanceof Tuple && b instanceof Tuple) {
    run.chargeItems(a.items.length + b.items.length)
    return new Tuple([...a.items, ...b.items])
  }
  return undefined
}

function repeat(run: Run, sequence: Value, times: Value): Value | undefined {
  const number = typeof times === 'boolean' ? Number(times) : times
  if (typeof number !== 'number' && typeof number !== 'bigint') return undefined
  const count = Math.max(0, clamped(number))
  const text = textOf(sequence)
  if (text !== undefined) {
    run.charge(text.length * count)
    const repeated = text === '' ? '' : text.repeat(count)
    return typeof sequence === 'string' ? repeated : new Markup(repeated)
  }
  const items = Array.isArray(sequence) ? sequence : sequence instanceof Tuple ? sequence.items : undefined
  if (items === undefined) return undefined
  run.chargeItems(items.length * count)
  const all =
    items.length === 0 ? [] : Array.from({ length: items.length * count }, (_, i) => items[i % items.length])
  return Array.isArray(sequence) ? all : new Tuple(all)
}

export function compare(run: Run, operator: Comparison, a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
      return equals(run, a, b)
    case '!=':
      return !equals(run, a, b)
    case 'in':
      return contains(run, b, a)
    case 'notin':
      return !contains(run, b, a)
    case '<':
      return order(run, a, b, operator) < 0
    case '<=':
      return order(run, a, b, operator) <= 0
    case '>':
      return order(run, a, b, operator) > 0
    case '>=':
      return order(run, a, b, operator) >= 0
    default:
      return operator satisfies never
  }
}

export function equals(run: Run, a: Value, b: Value): boolean {
  run.tick()
  if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) run.charge(a.length)
  if (a === b) return true
  if (typeof a === 'string' && typeof b === 'string') return false
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== undefined || right !== undefined) {
    return left !== undefined && right !== undefined && compareNumbers(left, right) === 0
  }
  const text = textOf(a)
  if (text !== undefined) return text === textOf(b)
  if (a instanceof Undefined) return b instanceof Undefined
  if (a instanceof Range && b instanceof Range) {
    return (
      a.length === b.length &&
      (a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step)))
    )
  }
  return withDepth(run, () => sameItems(run, a, b))
}

function sameItems(run: Run, a: Value, b: Value): boolean {
  const sameList = (x: readonly Value[], y: readonly Value[]): boolean =>
    x.length === y.length && x.every((item, i) => equals(run, item, y[i]))
  if (Array.isArray(a) && Array.isArray(b)) return sameList(a, b)
  if (a instanceof Tuple && b instanceof Tuple) return sameList(a.items, b.items)
  if (a instanceof DictView && b instanceof DictView && a.kind === b.kind && a.kind !== 'values') {
    return a.dict.size === b.dict.size && [...each(run, a)].every((item) => contains(run, b, item))
  }
  if (!(a instanceof Dict && b instanceof Dict) || a.size !== b.size) return false
  for (const [hashed, { value }] of a.entries) {
    const other = b.entries.get(hashed)
    if (other === undefined || !equals(run, value, other.value)) return false
  }
  return true
}

/** Below, at or above zero as `a` is less than, equal to or greater than `b`; NaN when neither. */
export function order(run: Run, a: Value, b: Value, operator: string = '<'): number {
  run.tick()
  if (a instanceof Undefined) throw templateError(a.message)
  if (b instanceof Undefined) throw templateError(b.message)
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== undefined && right !== undefined) return compareNumbers(left, right)
  const [text, other] = [textOf(a), textOf(b)]
  if (text !== undefined && other !== undefined) return compareText(text, other)
  const [items, others] =
    Array.isArray(a) && Array.isArray(b)
      ? [a, b]
      : a instanceof Tuple && b instanceof Tuple
        ? [a.items, b.items]
        : []
  if (items === undefined || others === undefined) {
    throw templateError(`'${operator}' is not supported between '${typeName(a)}' and '${typeName(b)}'`)
  }
  return withDepth(run, () => {
    const at = items.findIndex((item, i) => i >= others.length || !equals(run, item, others[i]))
    if (at < 0 || at >= others.length) return items.length - others.length
    return order(run, items[at], others[at], operator)
  })
}

export function contains(run: Run, container: Value, item: Value): boolean {
  const text = textOf(container)
  if (text !== undefined) {
    const part = textOf(item)
    if (item instanceof Undefined) throw templateError(item.message)
    if (part === undefined)
      throw templateError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
    run.charge(text.length)
    return text.includes(part)
  }
  if (container instanceof Dict) return container.get(item) !== undefined
  if (container instanceof DictView && container.kind === 'keys')
    return isHashable(item) && container.dict.get(item) !== undefined
  if (container instanceof Instance || iterator(container) === undefined) {
    throw templateError(`argument of type '${typeName(container)}' is not iterable`)
  }
  for (const other of each(run, container)) if (equals(run, item, other)) return true
  return false
}

/** A sorted copy: stable, and with Python's errors for values that have no order. */
export function sorted(
  run: Run,
  values: readonly Value[],
  key: (value: Value) => Value,
  reverse: boolean,
): Value[] {
  const keyed = values.map((value) => ({ value, key: key(value) }))
  const sign = reverse ? -1 : 1
  return keyed.toSorted((a, b) => sign * order(run, a.key, b.key) || 0).map(({ value }) => value)
}

export function sum(run: Run, values: Iterable<Value>, start: Value): Value {
  if (textOf(start) !== undefined) throw templateError("sum() can't sum strings")
  let total = start
  for (const value of values) total = binary(run, '+', total, value)
  return total
}

/** `len()` for the tests of sequences. */
export function hasItems(value: Value): boolean {
  return sizeOf(value) !== undefined && !(value instanceof DictView) && !(value instanceof Instance)
}

function withDepth<T>(run: Run, work: () => T): T {
  run.enter()
  const result = work()
  run.leave()
  return result
}
