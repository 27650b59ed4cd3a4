/** Jinja's filters on lists, dicts and other iterables. */
import { bind, requireInt, requireText } from './arguments.ts'
import { type Environment, type Filter, filterNamed, type Test, testNamed, type Use } from './environment.ts'
import { templateError } from './errors.ts'
import { attributeGetter, ignoreCase, multiGetter } from './filter-keys.ts'
import { each, isReversible, listOf, requireIterator, requireSize, stream, truth } from './iterate.ts'
import { equals, order, sorted, sum } from './operators.ts'
import { str } from './show.ts'
import { codePoints } from './text.ts'
import { Dict, hashKey, type Kwargs, Markup, orElse, textOf, Tuple, Undefined, type Value } from './values.ts'

/** A filter with named parameters. */
function filter(
  name: string,
  parameters: readonly string[],
  body: (use: Use, value: Value, args: (Value | undefined)[]) => Value,
): Filter {
  return (use, value, args, kwargs) => body(use, value, bind(name, parameters, args, kwargs))
}

const length: Filter = filter('length', [], ({ run }, value) => {
  run.charge(textOf(value)?.length ?? 0)
  return requireSize(value)
})

export const SEQUENCE_FILTERS: Readonly<Record<string, Filter>> = {
  length,
  count: length,
  list: filter('list', [], ({ run }, value) => listOf(run, value)),
  first: filter('first', [], (_use, value) => {
    const next = requireIterator(value).next()
    return next.done === true ? new Undefined('No first item, sequence was empty.') : next.value
  }),
  last: filter('last', [], ({ run }, value) => {
    if (!isReversible(value)) throw templateError('last needs a sequence; put `list` before it')
    return orElse(listOf(run, value).at(-1), () => new Undefined('No last item, sequence was empty.'))
  }),
  random: filter('random', [], () => {
    throw templateError('the filter random would make a training run irreproducible')
  }),
  reverse: filter('reverse', [], ({ run }, value) => {
    const text = textOf(value)
    if (text !== undefined) {
      run.charge(text.length)
      const reversed = [...codePoints(text)].toReversed().join('')
      return value instanceof Markup ? new Markup(reversed) : reversed
    }
    const items = listOf(run, value).toReversed()
    return isReversible(value) ? stream(items[Symbol.iterator]()) : items
  }),
  join: filter('join', ['d', 'attribute'], ({ run }, value, [separator = '', attribute]) => {
    const get = attributeGetter(run, attribute)
    const between = str(run, separator)
    const parts = [...each(run, value)].map((item) => str(run, get(item)))
    run.charge(parts.reduce((total, part) => total + part.length + between.length, 0))
    return parts.join(between)
  }),
  sort: filter(
    'sort',
    ['reverse', 'case_sensitive', 'attribute'],
    ({ run }, value, [reverse = false, caseSensitive = false, attribute]) => {
      const get = multiGetter(run, attribute, truth(caseSensitive) ? (item) => item : ignoreCase)
      return sorted(run, listOf(run, value), get, truth(reverse))
    },
  ),
  dictsort: filter(
    'dictsort',
    ['case_sensitive', 'by', 'reverse'],
    ({ run }, value, [caseSensitive = false, by = 'key', reverse = false]) => {
      if (!(value instanceof Dict)) throw templateError('dictsort needs a dict')
      if (by !== 'key' && by !== 'value') throw templateError('You can only sort by either "key" or "value"')
      const at = by === 'key' ? 0 : 1
      const pairs = [...value.entries.values()].map((entry) => new Tuple([entry.key, entry.value]))
      const keyOf = (pair: Value): Value => {
        const key = pair instanceof Tuple ? pair.items[at] : pair
        return truth(caseSensitive) ? key : ignoreCase(key)
      }
      return sorted(run, pairs, keyOf, truth(reverse))
    },
  ),
  unique: filter(
    'unique',
    ['case_sensitive', 'attribute'],
    (use, value, [caseSensitive = false, attribute]) =>
      stream(unique(use, value, truth(caseSensitive), attribute)),
  ),
  min: extreme('min', (sign) => sign < 0),
  max: extreme('max', (sign) => sign > 0),
  sum: filter('sum', ['attribute', 'start'], ({ run }, value, [attribute, start = 0]) => {
    const get = attributeGetter(run, attribute)
    return sum(run, [...each(run, value)].map(get), start)
  }),
  groupby: filter('groupby', ['attribute!', 'default', 'case_sensitive'], groupBy),
  batch: filter('batch', ['linecount!', 'fill_with'], (use, value, [count, fill]) =>
    stream(batch(use, value, requireInt('linecount', count), fill ?? null)),
  ),
  slice: filter('slice', ['slices!', 'fill_with'], (use, value, [count, fill]) =>
    stream(slice(use, value, requireInt('slices', count), fill ?? null)),
  ),
  items: filter('items', [], ({ run }, value) => {
    return stream(
      (function* (): Generator<Value> {
        if (value instanceof Undefined) return
        if (!(value instanceof Dict)) throw templateError('Can only get item pairs from a mapping.')
        for (const { key, value: entry } of value.entries.values()) {
          run.tick()
          yield new Tuple([key, entry])
        }
      })(),
    )
  }),
  map: (use, value, args, kwargs) => stream(map(use, value, args, kwargs)),
  select: (use, value, args, kwargs) => stream(select(use, value, args, kwargs, false, true)),
  reject: (use, value, args, kwargs) => stream(select(use, value, args, kwargs, false, false)),
  selectattr: (use, value, args, kwargs) => stream(select(use, value, args, kwargs, true, true)),
  rejectattr: (use, value, args, kwargs) => stream(select(use, value, args, kwargs, true, false)),
}

function* unique(
  { run }: Use,
  value: Value,
  caseSensitive: boolean,
  attribute: Value | undefined,
): Generator<Value> {
  const get = attributeGetter(run, attribute)
  const seen = new Set<unknown>()
  for (const item of each(run, value)) {
    const key = hashKey(caseSensitive ? get(item) : ignoreCase(get(item)))
    if (seen.has(key)) continue
    seen.add(key)
    yield item
  }
}

function extreme(name: string, isBetter: (sign: number) => boolean): Filter {
  return filter(
    name,
    ['case_sensitive', 'attribute'],
    ({ run }, value, [caseSensitive = false, attribute]) => {
      const get = attributeGetter(run, attribute)
      const keyOf = (item: Value): Value => (truth(caseSensitive) ? get(item) : ignoreCase(get(item)))
      let best: { item: Value; key: Value } | undefined
      for (const item of each(run, value)) {
        const key = keyOf(item)
        if (best === undefined || isBetter(order(run, key, best.key))) best = { item, key }
      }
      return best === undefined ? new Undefined('No aggregated item, sequence was empty.') : best.item
    },
  )
}

function groupBy(
  { run }: Use,
  value: Value,
  [attribute, fallback, caseSensitive = false]: (Value | undefined)[],
): Value {
  const get = attributeGetter(run, attribute, fallback)
  const keyOf = (item: Value): Value => (truth(caseSensitive) ? get(item) : ignoreCase(get(item)))
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sorted(run, listOf(run, value), keyOf, false)) {
    const key = keyOf(item)
    const last = groups.at(-1)
    if (last !== undefined && equals(run, last.key, key)) last.items.push(item)
    else groups.push({ key, items: [item] })
  }
  return groups.map(({ items }) => new Tuple([get(items[0]), items], ['grouper', 'list']))
}

function* batch({ run }: Use, value: Value, count: number, fill: Value): Generator<Value> {
  let row: Value[] = []
  for (const item of each(run, value)) {
    if (row.length === count) {
      yield row
      row = []
    }
    row.push(item)
  }
  if (row.length === 0) return
  if (fill !== null && row.length < count) {
    run.chargeItems(count)
    while (row.length < count) row.push(fill)
  }
  yield row
}

function* slice({ run }: Use, value: Value, count: number, fill: Value): Generator<Value> {
  const items = listOf(run, value)
  if (count === 0) throw templateError('integer division or modulo by zero')
  const size = Math.floor(items.length / count)
  const extra = items.length % count
  let start = 0
  for (let i = 0; i < count; i++) {
    run.tick()
    const end = start + size + (i < extra ? 1 : 0)
    const part = items.slice(start, end)
    if (fill !== null && i >= extra) part.push(fill)
    start = end
    yield part
  }
}

function* map(
  { run, environment }: Use,
  value: Value,
  args: readonly Value[],
  kwargs: Kwargs,
): Generator<Value> {
  if (!truth(value)) return
  const change = mapper({ run, environment }, args, kwargs)
  for (const item of each(run, value)) yield change(item)
}

function mapper(use: Use, args: readonly Value[], kwargs: Kwargs): (value: Value) => Value {
  if (args.length === 0 && kwargs.has('attribute')) {
    const [attribute, fallback] = bind('map', ['attribute', 'default'], [], kwargs)
    return attributeGetter(use.run, attribute, fallback)
  }
  if (args.length === 0) throw templateError('map requires a filter argument')
  const change = filterNamed(use.environment, requireText('the name of a filter', args[0]))
  return (value) => change(use, value, args.slice(1), kwargs)
}

function* select(
  use: Use,
  value: Value,
  args: readonly Value[],
  kwargs: Kwargs,
  byAttribute: boolean,
  wanted: boolean,
): Generator<Value> {
  if (!truth(value)) return
  const rest = byAttribute ? args.slice(1) : args
  if (byAttribute && args.length === 0) throw templateError('Missing parameter for attribute name')
  const get = attributeGetter(use.run, byAttribute ? args[0] : undefined)
  const test = rest.length === 0 ? undefined : chosenTest(use.environment, rest[0])
  for (const item of each(use.run, value)) {
    const found = get(item)
    if ((test === undefined ? truth(found) : test(use, found, rest.slice(1), kwargs)) === wanted) yield item
  }
}

function chosenTest(environment: Environment, name: Value): Test {
  return testNamed(environment, requireText('the name of a test', name))
}
