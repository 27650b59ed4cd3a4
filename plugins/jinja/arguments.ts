/** Arguments of methods, filters and functions: by position or by name, with Python's complaints. */
import { templateError } from './errors.ts'
import { clamped, numberOf } from './numbers.ts'
import { Float, type Kwargs, textOf, typeName, type Value } from './values.ts'

/** One value per parameter (undefined when it is not given). Names that end in `!` are required. */
export function bind(
  what: string,
  parameters: readonly string[],
  args: readonly Value[],
  kwargs: Kwargs,
): (Value | undefined)[] {
  if (args.length > parameters.length) {
    throw templateError(`${what}() takes at most ${parameters.length} arguments (${args.length} given)`)
  }
  const bound: (Value | undefined)[] = parameters.map((_, i) => args[i])
  for (const [name, value] of kwargs) {
    const at = parameters.findIndex((parameter) => parameter === name || parameter === `${name}!`)
    if (at < 0) throw templateError(`${what}() got an unexpected keyword argument '${name}'`)
    if (at < args.length) throw templateError(`${what}() got multiple values for argument '${name}'`)
    bound[at] = value
  }
  parameters.forEach((parameter, i) => {
    if (parameter.endsWith('!') && bound[i] === undefined) {
      throw templateError(`${what}() misses its argument '${parameter.slice(0, -1)}'`)
    }
  })
  return bound
}

/** Arguments of a function that takes none by name. */
export function positional(
  what: string,
  least: number,
  most: number,
  args: readonly Value[],
  kwargs: Kwargs,
): readonly (Value | undefined)[] {
  if (kwargs.size > 0) throw templateError(`${what}() takes no keyword arguments`)
  if (args.length < least || args.length > most) {
    const wanted = least === most ? String(least) : `${least} to ${most}`
    throw templateError(`${what}() takes ${wanted} arguments (${args.length} given)`)
  }
  return args
}

export function requireText(what: string, value: Value | undefined): string {
  const text = value === undefined ? undefined : textOf(value)
  if (text === undefined)
    throw templateError(`${what} must be a str, not ${value === undefined ? 'nothing' : typeName(value)}`)
  return text
}

/** An index or a count; far too large ones become ±2^53. */
export function requireInt(what: string, value: Value | undefined): number {
  const number = value === undefined ? undefined : numberOf(value)
  if (number === undefined || number instanceof Float) {
    throw templateError(`${what} must be an int, not ${value === undefined ? 'nothing' : typeName(value)}`)
  }
  return clamped(number)
}

/** As `requireInt`; undefined for what is not given or None. */
export function optionalInt(what: string, value: Value | undefined): number | undefined {
  return value === undefined || value === null ? undefined : requireInt(what, value)
}
