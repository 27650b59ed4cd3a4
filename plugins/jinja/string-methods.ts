/** The methods of Python's `str`, with all of their arguments. Marked text gives marked text. */
import { bind, optionalInt, positional, requireInt, requireText } from './arguments.ts'
import { templateError } from './errors.ts'
import { escapeHtml, stripTags } from './html.ts'
import { each } from './iterate.ts'
import type { Run } from './run.ts'
import { capitalize, foldCase, QUESTIONS, swapCase, title } from './string-case.ts'
import { splitMethod } from './string-split.ts'
import { isSpace, lengthOf, pointIndex, sliceIndices, stripped, unitIndex } from './text.ts'
import { type Call, Markup, textOf, Tuple, typeName, type Value } from './values.ts'

type Method = (context: Context, args: readonly Value[], kwargs: ReadonlyMap<string, Value>) => Value

interface Context {
  readonly run: Run
  readonly text: string
  /** Text like the one that the method is called on. */
  readonly wrap: (text: string) => Value
  /** The text of an argument that goes into the result; escaped for marked text. */
  readonly put: (value: Value | undefined, what: string) => string
}

export function stringMethod(value: Value, name: string): Call | undefined {
  const text = textOf(value) ?? ''
  const isMarked = value instanceof Markup
  const wrap = (part: string): Value => (isMarked ? new Markup(part) : part)
  const split = splitMethod(text, name, wrap)
  if (split !== undefined) return split
  const question = Object.hasOwn(QUESTIONS, name) ? QUESTIONS[name] : undefined
  if (question !== undefined) {
    return (run, args, kwargs) => {
      positional(name, 0, 0, args, kwargs)
      run.charge(text.length)
      return question(text)
    }
  }
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
  if (method === undefined || (name === 'striptags' && !isMarked)) return undefined
  return (run, args, kwargs) => {
    run.charge(text.length)
    const put = (part: Value | undefined, what: string): string =>
      isMarked && part !== undefined && textOf(part) !== undefined
        ? escapeHtml(run, part)
        : requireText(what, part)
    return method({ run, text, wrap, put }, args, kwargs)
  }
}

const METHODS: Readonly<Record<string, Method>> = {
  capitalize: plain(capitalize),
  casefold: plain(foldCase),
  lower: plain((text) => text.toLowerCase()),
  swapcase: plain(swapCase),
  title: plain(title),
  upper: plain((text) => text.toUpperCase()),
  strip: strip('both'),
  lstrip: strip('left'),
  rstrip: strip('right'),
  center: justify((missing, width) => Math.floor(missing / 2) + (missing & width & 1)),
  ljust: justify(() => 0),
  rjust: justify((missing) => missing),
  find: search(false, (at) => at),
  rfind: search(true, (at) => at),
  index: search(false, required),
  rindex: search(true, required),
  startswith: edge((part, affix) => part.startsWith(affix)),
  endswith: edge((part, affix) => part.endsWith(affix)),
  count,
  replace,
  zfill,
  expandtabs,
  join,
  removeprefix: ({ text, wrap, put }, args, kwargs) => {
    const prefix = put(positional('removeprefix', 1, 1, args, kwargs)[0], 'prefix')
    return wrap(text.startsWith(prefix) ? text.slice(prefix.length) : text)
  },
  removesuffix: ({ text, wrap, put }, args, kwargs) => {
    const suffix = put(positional('removesuffix', 1, 1, args, kwargs)[0], 'suffix')
    return wrap(suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text)
  },
  striptags: ({ run, text }) => stripTags(run, text),
  encode: unsupported('encode'),
  maketrans: unsupported('maketrans'),
  translate: unsupported('translate'),
}

function plain(change: (text: string) => string): Method {
  return ({ text, wrap }, args, kwargs) => {
    positional('the method', 0, 0, args, kwargs)
    return wrap(change(text))
  }
}

function unsupported(name: string): Method {
  return () => {
    throw templateError(`str.${name}() is not supported in templates here`)
  }
}

function strip(side: 'both' | 'left' | 'right'): Method {
  return ({ text, wrap }, args, kwargs) => {
    const [chars = null] = positional('strip', 0, 1, args, kwargs)
    return wrap(
      stripped(text, chars === null ? isSpace : requireText('the argument of strip()', chars), side),
    )
  }
}

function justify(leftOf: (missing: number, width: number) => number): Method {
  return ({ run, text, wrap }, args, kwargs) => {
    const [size, fill = ' '] = positional('center', 1, 2, args, kwargs)
    const width = requireInt('the width', size)
    const char = requireText('the fill character', fill)
    if (lengthOf(char) !== 1) throw templateError('The fill character must be exactly one character long')
    const missing = Math.max(0, width - lengthOf(text))
    run.charge(missing)
    const left = leftOf(missing, width)
    return wrap(char.repeat(left) + text + char.repeat(missing - left))
  }
}

/** The part that `start` and `end` name, and the code point index where it begins. */
function region(
  text: string,
  start: Value | undefined,
  end: Value | undefined,
): { part: string; first: number; isPast: boolean } {
  const bounds = [start, end].map((bound) => optionalInt('slice indices', bound))
  if (bounds.every((bound) => bound === undefined)) return { part: text, first: 0, isPast: false }
  const length = lengthOf(text)
  const { first, count } = sliceIndices(length, bounds[0], bounds[1], 1)
  const from = unitIndex(text, Math.min(first, length))
  const isPast =
    (bounds[0] ?? 0) > length ||
    (bounds[1] !== undefined && first > (bounds[1] < 0 ? bounds[1] + length : bounds[1]))
  return { part: text.slice(from, unitIndex(text, Math.min(first, length) + count)), first, isPast }
}

function required(at: number): number {
  if (at < 0) throw templateError('substring not found')
  return at
}

function search(fromRight: boolean, result: (at: number) => number): Method {
  return ({ text }, args, kwargs) => {
    const [wanted, start, end] = positional('find', 1, 3, args, kwargs)
    const needle = requireText('the argument of find()', wanted)
    const { part, first, isPast } = region(text, start, end)
    const at = isPast ? -1 : fromRight ? part.lastIndexOf(needle) : part.indexOf(needle)
    return result(at < 0 ? -1 : first + pointIndex(part, at))
  }
}

function edge(matches: (part: string, affix: string) => boolean): Method {
  return ({ text }, args, kwargs) => {
    const [affixes = null, start, end] = positional('startswith', 1, 3, args, kwargs)
    const list = affixes instanceof Tuple ? affixes.items : [affixes]
    const texts = list.map((affix) => requireText('the argument of startswith()', affix))
    const { part, isPast } = region(text, start, end)
    return !isPast && texts.some((affix) => matches(part, affix))
  }
}

function count({ text }: Context, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
  const [wanted, start, end] = positional('count', 1, 3, args, kwargs)
  const needle = requireText('the argument of count()', wanted)
  const { part, isPast } = region(text, start, end)
  if (isPast) return 0
  return needle === '' ? lengthOf(part) + 1 : part.split(needle).length - 1
}

function replace(
  { run, text, wrap, put }: Context,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const [old, by, limit] = bind('replace', ['old!', 'new!', 'count'], args, kwargs)
  const most = optionalInt('count', limit) ?? -1
  return wrap(replaceText(run, text, put(old, 'old'), put(by, 'new'), most))
}

/** `most` below 0: all. */
export function replaceText(run: Run, text: string, old: string, by: string, most: number): string {
  if (most === 0) return text
  const parts = old === '' ? ['', ...text, ''] : text.split(old)
  const cuts = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1)
  run.charge(text.length + cuts * by.length)
  if (cuts === parts.length - 1) return parts.join(by)
  return parts.slice(0, cuts + 1).join(by) + old + parts.slice(cuts + 1).join(old)
}

function zfill(
  { run, text, wrap }: Context,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const width = requireInt('the width', positional('zfill', 1, 1, args, kwargs)[0])
  const missing = Math.max(0, width - lengthOf(text))
  run.charge(missing)
  const sign = /^[+-]/.test(text) ? text[0] : ''
  return wrap(sign + '0'.repeat(missing) + text.slice(sign.length))
}

function expandtabs(
  { run, text, wrap }: Context,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const size = optionalInt('tabsize', bind('expandtabs', ['tabsize'], args, kwargs)[0]) ?? 8
  let column = 0
  let result = ''
  for (const char of text) {
    const width = char === '\t' ? (size > 0 ? size - (column % size) : 0) : 1
    if (char === '\t') run.charge(result.length + width)
    result += char === '\t' ? ' '.repeat(width) : char
    column = char === '\n' || char === '\r' ? 0 : column + width
  }
  return wrap(result)
}

function join(
  { run, text, wrap, put }: Context,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const [items = null] = positional('join', 1, 1, args, kwargs)
  const parts = [...each(run, items)].map((item, i) => {
    if (textOf(item) === undefined)
      throw templateError(`sequence item ${i}: expected str instance, ${typeName(item)} found`)
    return put(item, 'item')
  })
  run.charge(parts.reduce((total, part) => total + part.length + text.length, 0))
  return wrap(parts.join(text))
}
