/** Jinja's filters on texts. */
import { bind, optionalInt, requireInt, requireText } from './arguments.ts'
import type { Filter, Use } from './environment.ts'
import { templateError } from './errors.ts'
import { formatPercent } from './format-percent.ts'
import { escapeHtml, stripTags } from './html.ts'
import { each, iterator, truth } from './iterate.ts'
import type { Run } from './run.ts'
import { str } from './show.ts'
import { capitalize } from './string-case.ts'
import { replaceText, stringMethod } from './string-methods.ts'
import { splitLines } from './string-split.ts'
import { codePoints, isSpace, lengthOf, stripped } from './text.ts'
import { toJson } from './to-json.ts'
import { Dict, Markup, textOf, Tuple, typeName, Undefined, type Value } from './values.ts'

function filter(
  name: string,
  parameters: readonly string[],
  body: (use: Use, value: Value, args: (Value | undefined)[]) => Value,
): Filter {
  return (use, value, args, kwargs) => body(use, value, bind(name, parameters, args, kwargs))
}

/** A filter that changes the text of any value, and leaves marked text marked. */
function onText(name: string, change: (text: string) => string): Filter {
  return filter(name, [], ({ run }, value) => like(value, change(charged(run, str(run, value)))))
}

function like(value: Value, text: string): Value {
  return value instanceof Markup ? new Markup(text) : text
}

function charged(run: Run, text: string): string {
  run.charge(text.length)
  return text
}

const escape: Filter = filter('escape', [], ({ run }, value) => new Markup(escapeHtml(run, value)))

export const TEXT_FILTERS: Readonly<Record<string, Filter>> = {
  capitalize: onText('capitalize', capitalize),
  lower: onText('lower', (text) => text.toLowerCase()),
  upper: onText('upper', (text) => text.toUpperCase()),
  title: onText('title', titleWords),
  string: filter('string', [], ({ run }, value) => (value instanceof Markup ? value : str(run, value))),
  trim: filter('trim', ['chars'], ({ run }, value, [chars = null]) => {
    const drops = chars === null ? isSpace : requireText('chars', chars)
    return like(value, stripped(charged(run, str(run, value)), drops, 'both'))
  }),
  replace: filter('replace', ['old!', 'new!', 'count'], ({ run }, value, [old = '', by = '', count]) =>
    replaceText(run, str(run, value), str(run, old), str(run, by), optionalInt('count', count) ?? -1),
  ),
  center: filter('center', ['width'], ({ run }, value, [width = 80]) => {
    const center = stringMethod(value instanceof Markup ? value : str(run, value), 'center')
    return center === undefined ? value : center(run, [width], new Map())
  }),
  format: ({ run }, value, args, kwargs) => {
    if (args.length > 0 && kwargs.size > 0)
      throw templateError("can't handle positional and keyword arguments at the same time")
    const names = new Dict()
    for (const [name, item] of kwargs) names.set(name, item)
    const values = kwargs.size > 0 ? names : new Tuple([...args])
    if (!(value instanceof Markup))
      return formatPercent(run, str(run, value), values, (item) => str(run, item))
    return new Markup(formatPercent(run, value.text, values, (item) => escapeHtml(run, item)))
  },
  indent: filter('indent', ['width', 'first', 'blank'], indent),
  truncate: filter('truncate', ['length', 'killwords', 'end', 'leeway'], truncate),
  wordcount: filter(
    'wordcount',
    [],
    ({ run }, value) => (charged(run, str(run, value)).match(/[\p{L}\p{N}_]+/gu) ?? []).length,
  ),
  escape,
  e: escape,
  forceescape: filter('forceescape', [], ({ run }, value) => new Markup(escapeHtml(run, str(run, value)))),
  safe: filter('safe', [], ({ run }, value) =>
    value instanceof Markup ? value : new Markup(str(run, value)),
  ),
  striptags: filter('striptags', [], ({ run }, value) => stripTags(run, str(run, value))),
  urlencode: filter('urlencode', [], urlEncode),
  xmlattr: filter('xmlattr', ['autospace'], xmlAttributes),
  tojson: ({ run }, value, args, kwargs) => toJson(run, value, args, kwargs),
}

function titleWords(text: string): string {
  const parts = text.split(/([-\s({[<]+)/u)
  return parts.map((part) => (part === '' ? '' : upperFirst(part))).join('')
}

function upperFirst(part: string): string {
  const [first = ''] = part
  return first.toUpperCase() + part.slice(first.length).toLowerCase()
}

function indent(
  { run }: Use,
  value: Value,
  [width = 4, first = false, blank = false]: (Value | undefined)[],
): Value {
  const text = requireText('the value of indent', value)
  const indention = textOf(width) ?? spaces(run, requireInt('width', width))
  const lines = splitLines(`${charged(run, text)}\n`)
  run.charge(text.length + lines.length * indention.length)
  const rest = lines
    .slice(1)
    .map((line) => (line !== '' || truth(blank) ? `\n${indention}${line}` : `\n${line}`))
  return like(value, (truth(first) ? indention : '') + (lines[0] ?? '') + rest.join(''))
}

function spaces(run: Run, count: number): string {
  run.charge(Math.max(0, count))
  return ' '.repeat(Math.max(0, count))
}

function truncate(
  { run }: Use,
  value: Value,
  [length = 255, kill = false, end = '...', leeway]: (Value | undefined)[],
): Value {
  const text = requireText('the value of truncate', value)
  const tail = requireText('end', end)
  const size = requireInt('length', length)
  const slack = optionalInt('leeway', leeway) ?? 5
  if (size < lengthOf(tail)) throw templateError(`expected length >= ${lengthOf(tail)}, got ${size}`)
  if (slack < 0) throw templateError(`expected leeway >= 0, got ${slack}`)
  const points = codePoints(charged(run, text))
  if (points.length <= size + slack) return value
  const kept = points.slice(0, size - lengthOf(tail))
  const cut = typeof kept === 'string' ? kept : kept.join('')
  const space = truth(kill) ? -1 : cut.lastIndexOf(' ')
  return like(value, (space < 0 ? cut : cut.slice(0, space)) + tail)
}

function urlEncode({ run }: Use, value: Value): Value {
  if (textOf(value) !== undefined || iterator(value) === undefined) return quote(run, value, false)
  const pairs =
    value instanceof Dict
      ? [...value.entries.values()].map((entry) => [entry.key, entry.value])
      : [...each(run, value)].map((pair) => [...each(run, pair)])
  return pairs
    .map((pair) => {
      if (pair.length !== 2) throw templateError('urlencode needs pairs')
      return pair.map((part) => quote(run, part, true)).join('=')
    })
    .join('&')
}

function quote(run: Run, value: Value, isQuery: boolean): string {
  const bytes = new TextEncoder().encode(charged(run, str(run, value)))
  let text = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    if (/[A-Za-z0-9_.~-]/.test(char) || (char === '/' && !isQuery)) text += char
    else text += char === ' ' && isQuery ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

function xmlAttributes({ run }: Use, value: Value, [autospace = true]: (Value | undefined)[]): Value {
  if (!(value instanceof Dict)) throw templateError(`xmlattr needs a dict, not a ${typeName(value)}`)
  const items: string[] = []
  for (const { key, value: item } of value.entries.values()) {
    if (item === null || item instanceof Undefined) continue
    const name = requireText('an attribute name', key)
    if (/[ \t\n\r\f\v/>=]/.test(name)) throw templateError(`Invalid character in attribute name: ${name}`)
    items.push(`${escapeHtml(run, key)}="${escapeHtml(run, item)}"`)
  }
  const text = items.join(' ')
  return truth(autospace) && text !== '' ? ` ${text}` : text
}
