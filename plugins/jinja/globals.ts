/**
 * The names that every chat template has: Jinja's `range`, `dict`, `namespace`, `cycler`, `joiner`, and what transformers
 * adds: `raise_exception`, `strftime_now`. `lipsum` writes random text and is not there.
 */
import { bind, positional, requireInt, requireText } from './arguments.ts'
import { templateError } from './errors.ts'
import { dictFromKeys, makeDict } from './methods.ts'
import { str } from './show.ts'
import { strftime } from './strftime.ts'
import { type Call, Dict, Instance, Namespace, Range, textOf, type Value } from './values.ts'

/** As in Jinja's sandbox. */
const MAX_RANGE = 100_000

export const GLOBALS: ReadonlyMap<string, Value> = new Map([
  ['range', named('range', range)],
  ['namespace', named('namespace', namespace)],
  ['cycler', named('cycler', cycler)],
  ['joiner', named('joiner', joiner)],
  ['raise_exception', named('raise_exception', raise)],
  ['strftime_now', named('strftime_now', now)],
  [
    'dict',
    new Instance('TemplateDict', {
      call: makeDict,
      attribute: (name) => (name === 'fromkeys' ? named('fromkeys', dictFromKeys) : undefined),
    }),
  ],
])

function named(_name: string, call: Call): Instance {
  return new Instance('function', {
    call,
    attribute: () => undefined,
  })
}

function range(...[, args, kwargs]: Parameters<Call>): Value {
  positional('range', 1, 3, args, kwargs)
  const [first, second, third] = args.map((arg) => requireInt('an argument of range()', arg))
  const [start, stop, step] = args.length === 1 ? [0, first, 1] : [first, second, third ?? 1]
  if (step === 0) throw templateError('range() arg 3 must not be zero')
  const made = new Range(start, stop, step)
  if (made.length > MAX_RANGE) throw templateError(`Range too big: more than ${MAX_RANGE} items`)
  return made
}

function namespace(...[run, args, kwargs]: Parameters<Call>): Value {
  const dict = makeDict(run, args, kwargs)
  const attributes = new Map<string, Value>()
  if (dict instanceof Dict) {
    for (const { key, value } of dict.entries.values())
      attributes.set(checkedName(textOf(key) ?? str(run, key)), value)
  }
  return new Namespace(attributes)
}

/** As transformers: names with an underscore in front are refused. */
export function checkedName(name: string): string {
  if (!name.startsWith('_')) return name
  throw templateError(`a namespace cannot have the attribute '${name}'`)
}

function cycler(...[, items, kwargs]: Parameters<Call>): Value {
  positional('cycler', 1, Infinity, items, kwargs)
  let at = 0
  const next: Call = () => {
    const item = items[at]
    at = (at + 1) % items.length
    return item
  }
  const reset: Call = () => {
    at = 0
    return null
  }
  return new Instance('Cycler', {
    attribute(name) {
      if (name === 'current') return items[at]
      if (name === 'pos') return at
      if (name === 'next') return named('next', next)
      return name === 'reset' ? named('reset', reset) : undefined
    },
  })
}

function joiner(...[, args, kwargs]: Parameters<Call>): Value {
  const [separator = ', '] = bind('joiner', ['sep'], args, kwargs)
  let isUsed = false
  return new Instance('Joiner', {
    call() {
      const result = isUsed ? separator : ''
      isUsed = true
      return result
    },
    attribute: (name) => (name === 'sep' ? separator : name === 'used' ? isUsed : undefined),
  })
}

function raise(...[run, args, kwargs]: Parameters<Call>): Value {
  const [message = null] = bind('raise_exception', ['message!'], args, kwargs)
  throw templateError(str(run, message))
}

function now(...[run, args, kwargs]: Parameters<Call>): Value {
  const [format] = bind('strftime_now', ['format!'], args, kwargs)
  return strftime(run.now(), requireText('the format', format))
}
