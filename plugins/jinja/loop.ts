/** `loop` of a `for`: where it stands, what comes before and after, and the call of a recursive one. */
import { templateError } from './errors.ts'
import { sizeOf } from './iterate.ts'
import { equals } from './operators.ts'
import { type Call, Instance, orElse, Tuple, Undefined, type Value } from './values.ts'

export interface Loop {
  readonly value: Instance
  /** The next value, which becomes the current one; undefined at the end. */
  next(): Value | undefined
}

/** `source`: what is iterated, for its length; `recurse`: undefined where the loop is not recursive. */
export function createLoop(
  source: Value,
  values: Iterator<Value>,
  depth: number,
  recurse: ((items: Value) => Value) | undefined,
): Loop {
  let iterator = values
  let index = -1
  let length: number | undefined
  let before: Value | undefined
  let current: Value | undefined
  let ahead: Value | undefined
  let isAhead = false
  let seen: Value | undefined

  const pull = (): Value | undefined => {
    const next = iterator.next()
    return next.done === true ? undefined : next.value
  }
  const peek = (): Value | undefined => {
    if (!isAhead) {
      ahead = pull()
      isAhead = true
    }
    return ahead
  }
  const lengthOf = (): number => {
    length ??= sizeOf(source)
    if (length === undefined) {
      const rest: Value[] = []
      for (let value = pull(); value !== undefined; value = pull()) rest.push(value)
      iterator = rest[Symbol.iterator]()
      length = rest.length + index + 1 + (isAhead && ahead !== undefined ? 1 : 0)
    }
    return length
  }
  const cycle: Call = (_run, args) => {
    if (args.length === 0) throw templateError('no items for cycling given')
    return args[index % args.length]
  }
  const changed: Call = (run, args) => {
    const now = new Tuple([...args])
    if (seen !== undefined && equals(run, seen, now)) return false
    seen = now
    return true
  }
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => index + 1,
    index0: () => index,
    revindex: () => lengthOf() - index,
    revindex0: () => lengthOf() - index - 1,
    first: () => index === 0,
    last: () => peek() === undefined,
    length: lengthOf,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () =>
      index === 0 || before === undefined ? new Undefined('there is no previous item') : before,
    nextitem: () => orElse(peek(), () => new Undefined('there is no next item')),
    cycle: () => new Instance('method', { call: cycle }),
    changed: () => new Instance('method', { call: changed }),
  }
  return {
    value: new Instance('LoopContext', {
      attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name]() : undefined),
      length: lengthOf,
      text: () => `<LoopContext ${index + 1}/${lengthOf()}>`,
      call(_run, args) {
        if (recurse === undefined)
          throw templateError("the loop must have the 'recursive' marker to be called")
        return recurse(args[0] ?? null)
      },
    }),
    next() {
      const value = isAhead ? ahead : pull()
      isAhead = false
      if (value === undefined) return undefined
      index++
      before = current
      current = value
      return value
    },
  }
}
