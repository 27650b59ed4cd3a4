/**
 * What Python does with texts and this language does otherwise: white space, lengths in characters, `str.capitalize()`.
 */

/** The class of `str.isspace()`, which is also that of `\s` in Python's patterns. */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const TRAILING = new RegExp(`${SPACE}+$`, 'u')
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, 'gu')
const RUNS = new RegExp(`${SPACE}+`, 'u')

/** The white space that the text ends with; '' when there is none. */
export function trailingSpace(text: string): string {
  return TRAILING.exec(text)?.[0] ?? ''
}

/** `text.strip()` */
export function stripped(text: string): string {
  return text.replace(AROUND, '')
}

/** `len(text)`: characters, not halves of them. */
export function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** `len(re.split(r"\s+", text))`, which is how words are counted for word_perplexity. */
export function words(text: string): number {
  return text.split(RUNS).length
}

/** `text.capitalize()`: the first letter large, all others small. */
export function capitalized(text: string): string {
  const [first = ''] = text
  return first.toUpperCase() + text.slice(first.length).toLowerCase()
}
