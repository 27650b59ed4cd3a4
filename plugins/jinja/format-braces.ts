/** `str.format`: replacement fields in braces, with attributes, items, conversions and nested specifications. */
import { templateError } from './errors.ts'
import { formatSpec } from './format-spec.ts'
import type { Run } from './run.ts'
import { ascii, repr, str } from './show.ts'
import type { Kwargs, Value } from './values.ts'

export interface Lookup {
  attribute(run: Run, value: Value, name: string): Value
  item(run: Run, value: Value, key: Value): Value
}

/** `write`: how a formatted value is put in; marked text escapes it. */
export function formatBraces(
  run: Run,
  format: string,
  args: readonly Value[],
  kwargs: Kwargs,
  find: Lookup,
  write: (value: Value, spec: string) => string = (value, spec) => formatSpec(run, value, spec),
): string {
  run.charge(format.length)
  let automatic = 0

  function expand(text: string, depth: number): string {
    if (depth > 2) throw templateError('Max string recursion exceeded')
    let result = ''
    for (let i = 0; i < text.length; i++) {
      const char = text[i]
      if ((char === '{' || char === '}') && text[i + 1] === char) {
        result += char
        i++
      } else if (char === '}') {
        throw templateError("Single '}' encountered in format string")
      } else if (char === '{') {
        const end = closing(text, i)
        result += replace(text.slice(i + 1, end), depth)
        i = end
      } else {
        result += char
      }
    }
    return result
  }

  function replace(field: string, depth: number): string {
    const match = /^([^!:]*)(?:!(.))?(?::([^]*))?$/.exec(field)
    if (match === null) throw templateError(`bad replacement field {${field}}`)
    const [, path, conversion, spec = ''] = match
    const value = lookup(path)
    const expanded = expand(spec, depth + 1)
    if (conversion === undefined) return write(value, expanded)
    const convert = { s: str, r: repr, a: ascii }[conversion]
    if (convert === undefined) throw templateError(`Unknown conversion specifier ${conversion}`)
    return write(convert(run, value), expanded)
  }

  function lookup(path: string): Value {
    const [first, ...rest] = path.match(/^[^.[]*|\.[^.[]+|\[[^\]]+\]/g) ?? ['']
    const name = first === '' ? String(automatic++) : first
    const start = /^\d+$/.test(name) ? args[Number(name)] : kwargs.get(name)
    if (start === undefined) throw templateError(`there is no "${name}" to put into the format string`)
    return rest.reduce<Value>((value, part) => {
      if (part.startsWith('.')) return find.attribute(run, value, part.slice(1))
      const key = part.slice(1, -1)
      return find.item(run, value, /^\d+$/.test(key) ? Number(key) : key)
    }, start)
  }

  const result = expand(format, 0)
  run.charge(result.length)
  return result
}

/** Place of the brace that closes the one at `start`. */
function closing(text: string, start: number): number {
  let open = 0
  for (let i = start; i < text.length; i++) {
    if (text[i] === '{') open++
    if (text[i] === '}' && --open === 0) return i
  }
  throw templateError("expected '}' before end of string")
}
