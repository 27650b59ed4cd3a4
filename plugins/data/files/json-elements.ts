/**
 * The elements of a JSON array as texts with their lines, so that an error inside one element can say where it is.
 * (`JSON.parse` alone gives no position.)
 */
import { TrituneError } from '../../../core/errors.ts'

export interface JsonElement {
  readonly text: string
  /** Line of its first character, from 1. */
  readonly line: number
}

/** Splits `[a, b, …]`; each element still has to be parsed. Throws E_DATA when the brackets do not match. */
export function* jsonElements(json: string, path: string): Generator<JsonElement> {
  let line = 1
  let depth = 0
  let isString = false
  let isClosed = false
  let start = -1
  let startLine = 1
  for (let i = 0; i < json.length; i++) {
    const c = json[i]
    if (c === '\n') line++
    if (isString) {
      if (c === '\\') i++
      else if (c === '"') isString = false
      continue
    }
    if (c <= ' ') continue
    if (isClosed) throw broken(path, line, `unexpected ${JSON.stringify(c)} after the end of the list`)
    const endsElement = depth === 1 && (c === ',' || c === ']')
    if (endsElement && (start >= 0 || c === ',')) {
      if (start < 0) throw broken(path, line, 'unexpected ","')
      yield { text: json.slice(start, i), line: startLine }
      start = -1
    }
    if (c === ']' || c === '}') depth--
    if (depth < 0) throw broken(path, line, `unexpected "${c}"`)
    if (depth === 0) {
      if (c === '[') depth = 1
      else if (c === ']') isClosed = true
      else throw broken(path, line, `expected a list, got ${JSON.stringify(c)}`)
      continue
    }
    if (!endsElement && start < 0) {
      start = i
      startLine = line
    }
    if (c === '"') isString = true
    else if (c === '[' || c === '{') depth++
  }
  if (!isClosed) throw broken(path, line, 'the list is not closed')
}

function broken(path: string, line: number, what: string): TrituneError {
  return new TrituneError('E_DATA', `not valid JSON: ${what}`, { place: `${path}:${line}` })
}
