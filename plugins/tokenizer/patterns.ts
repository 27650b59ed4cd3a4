/**
 * Where a pattern of tokenizer.json matches. Patterns are Oniguruma's (Ruby syntax), as the Rust library compiles them;
 * oniguruma-to-es translates, and what it reads differently is put right here.
 */
import { toRegExp } from 'oniguruma-to-es'
import type { Part } from './part.ts'
import { asOfUnicode16 } from './unicode-age.ts'

/** Start and end of each match, one after the other. */
export type Find = (text: string) => number[]

/** `pattern` of a part: `{ String }`, taken literally, or `{ Regex }`. */
export function findPattern(part: Part): Find {
  const pattern = part.part('pattern')
  const literal = pattern.get('String')
  if (typeof literal === 'string')
    return findAll(new RegExp(literal.replaceAll(/[/\-\\^$*+?.()|[\]{}]/g, String.raw`\$&`), 'gu'))
  const source = pattern.text('Regex')
  return findAll(compile(source, pattern))
}

/** Matches one after the other; an empty match right after a match does not count. */
export function findAll(regex: RegExp): Find {
  return (text) => {
    const places: number[] = []
    const searched = asOfUnicode16(text)
    let last = -1
    regex.lastIndex = 0
    for (let match = regex.exec(searched); match; match = regex.exec(searched)) {
      const end = match.index + match[0].length
      if (end > match.index || end !== last) places.push(match.index, end)
      if (end === match.index) {
        if (end >= text.length) break
        regex.lastIndex = end + (searched.codePointAt(end)! > 0xffff ? 2 : 1)
      }
      last = end
    }
    regex.lastIndex = 0
    return places
  }
}

function compile(source: string, part: Part): RegExp {
  try {
    return toRegExp(withOnigurumaWords(source), { global: true })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw part.error(`the regular expression cannot be used: ${reason}`)
  }
}

const IN_CLASS = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}`
/** Outside of classes Oniguruma counts these numbers too. */
const ALONE = String.raw`${IN_CLASS}\u00B2\u00B3\u00B9\u00BC-\u00BE`
const EDGE = String.raw`(?:(?<=[${ALONE}])(?![${ALONE}])|(?<![${ALONE}])(?=[${ALONE}]))`
const NO_EDGE = String.raw`(?:(?<=[${ALONE}])(?=[${ALONE}])|(?<![${ALONE}])(?![${ALONE}]))`
const OUTSIDE: Readonly<Record<string, string>> = {
  '\\w': `[${ALONE}]`,
  '\\W': `[^${ALONE}]`,
  '\\b': EDGE,
  '\\B': NO_EDGE,
}
const INSIDE: Readonly<Record<string, string>> = { '\\w': IN_CLASS, '\\W': `[^${IN_CLASS}]` }

/** `\w` and its kin spelled out: the translation takes other numbers and letters for parts of words. */
function withOnigurumaWords(source: string): string {
  let depth = 0
  return source.replaceAll(/\\[^]|\[\^?\]?|\]/g, (token) => {
    if (token.startsWith('[')) depth++
    else if (token === ']') depth = Math.max(0, depth - 1)
    return (depth > 0 ? INSIDE : OUTSIDE)[token] ?? token
  })
}
