/**
 * Python's view of text: indices count code points, and white space is Python's, not JavaScript's. No string methods
 * here.
 */

const SURROGATE = /[\uD800-\uDFFF]/
// What `str.isspace` says; JavaScript's \s has U+FEFF, and lacks U+001C to U+001F and U+0085.
const SPACES = '\t\n\v\f\r\x1C\x1D\x1E\x1F \x85\xA0\u1680\u2028\u2029\u202F\u205F\u3000'

/** White space, one UTF-16 unit. */
export function isSpace(char: string): boolean {
  return SPACES.includes(char) || (char >= '\u2000' && char <= '\u200A')
}

/** A text as code points: the string itself where each unit is one. */
export function codePoints(text: string): string | string[] {
  return SURROGATE.test(text) ? Array.from(text) : text
}

export function lengthOf(text: string): number {
  return codePoints(text).length
}

/** UTF-16 index of a code point index, which is within the text. */
export function unitIndex(text: string, index: number): number {
  if (!SURROGATE.test(text)) return index
  let unit = 0
  for (let i = 0; i < index; i++) unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1
  return unit
}

/** Code point index of a UTF-16 index. */
export function pointIndex(text: string, unit: number): number {
  return SURROGATE.test(text) ? lengthOf(text.slice(0, unit)) : unit
}

/** Order by code points; JavaScript's own is by UTF-16 units. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (a[i] === b[i]) continue
    return order(a.charCodeAt(i)) - order(b.charCodeAt(i))
  }
  return a.length - b.length
}

/** Surrogates stand for code points above all others. */
function order(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** Without the leading and trailing characters that `drops` names. */
export function stripped(
  text: string,
  drops: ((char: string) => boolean) | string,
  side: 'both' | 'left' | 'right',
): string {
  const points = codePoints(text)
  const isDropped = typeof drops === 'string' ? member(drops) : drops
  let start = 0
  let end = points.length
  if (side !== 'right') while (start < end && isDropped(points[start])) start++
  if (side !== 'left') while (end > start && isDropped(points[end - 1])) end--
  const kept = points.slice(start, end)
  return typeof kept === 'string' ? kept : kept.join('')
}

function member(chars: string): (char: string) => boolean {
  const set = new Set(chars)
  return (char) => set.has(char)
}

/** Positions of a slice, as Python computes them. */
export function sliceIndices(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): { first: number; count: number } {
  const lowest = step < 0 ? -1 : 0
  const highest = step < 0 ? length - 1 : length
  const place = (index: number | undefined, fallback: number): number => {
    if (index === undefined) return fallback
    return index < 0 ? Math.max(index + length, lowest) : Math.min(index, highest)
  }
  const first = place(start, step < 0 ? highest : lowest)
  const end = place(stop, step < 0 ? lowest : highest)
  return { first, count: Math.max(0, Math.ceil((end - first) / step)) }
}
