/** Upper, lower and title case, and the questions about the kinds of characters, as Python's `str` has them. */
import { codePoints, isSpace } from './text.ts'

const CASED = /\p{Cased}/u
const TITLE: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǳ: 'ǲ',
  ŉ: 'ʼN',
}

/** The first character as in a title, the others small. */
export function capitalize(text: string): string {
  const [first = ''] = text
  // The whole is lowered, since the form of a sigma depends on what stands before it.
  return titleOf(first) + (first + text.slice(first.length)).toLowerCase().slice(first.toLowerCase().length)
}

/** `str.title`: each run of letters capitalised. */
export function title(text: string): string {
  let result = ''
  let wasCased = false
  for (const char of text) {
    result += wasCased ? char.toLowerCase() : titleOf(char)
    wasCased = CASED.test(char)
  }
  return result
}

function titleOf(char: string): string {
  if (TITLE[char] !== undefined) return TITLE[char]
  // Georgian letters have capitals, which titles do not use.
  if (/[\u10D0-\u10FF]/.test(char)) return char
  const [first = '', ...rest] = char.toUpperCase()
  return first + rest.join('').toLowerCase()
}

export function swapCase(text: string): string {
  return Array.from(text, (char) =>
    /\p{Uppercase}/u.test(char) ? char.toLowerCase() : char.toUpperCase(),
  ).join('')
}

export function foldCase(text: string): string {
  return text
    .toLowerCase()
    .replace(/[ßſς\u0149\u01F0\u0390\u03B0\u0587\u1E96-\u1E9B\uFB00-\uFB17]/g, (char) => {
      return char === 'ς' ? 'σ' : char.toUpperCase().toLowerCase()
    })
}

type Question = (text: string) => boolean

const all =
  (pattern: RegExp): Question =>
  (text) =>
    text !== '' && Array.from(text).every((char) => pattern.test(char))

/** Cased characters, and no other kind of case among them. */
const onlyCase =
  (other: RegExp): Question =>
  (text) =>
    CASED.test(text) && !other.test(text)

export const QUESTIONS: Readonly<Record<string, Question>> = {
  isalnum: all(/[\p{L}\p{N}]/u),
  isalpha: all(/\p{L}/u),
  isascii: (text) => !/[^\0-\x7F]/.test(text),
  isdecimal: all(/\p{Nd}/u),
  isdigit: all(
    /[\p{Nd}\u00B2\u00B3\u00B9\u1369-\u1371\u19DA\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247C\u2488-\u2490\u24EA\u24F5-\u24FD\u24FF\u2776-\u277E\u2780-\u2788\u278A-\u2792\u{10A40}-\u{10A43}\u{1F100}-\u{1F10A}]/u,
  ),
  isidentifier: (text) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(text),
  islower: onlyCase(/[\p{Lu}\p{Lt}]/u),
  isnumeric: all(/[\p{N}一二三四五六七八九十百千万億兆〇零壹贰叁肆伍陆柒捌玖拾]/u),
  isprintable: (text) => !/(?! )[\p{C}\p{Z}]/u.test(text),
  isspace: (text) => text !== '' && Array.from(text).every(isSpace),
  istitle,
  isupper: onlyCase(/[\p{Ll}\p{Lt}]/u),
}

function istitle(text: string): boolean {
  let [wasCased, found] = [false, false]
  for (const char of codePoints(text)) {
    const isUpper = /[\p{Lu}\p{Lt}]/u.test(char)
    const isLower = /\p{Ll}/u.test(char)
    if ((isUpper && wasCased) || (isLower && !wasCased)) return false
    wasCased = isUpper || isLower
    found ||= wasCased
  }
  return found
}
