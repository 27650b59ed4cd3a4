/**
 * Plain prose: one kind of quotation mark, dash and space, and texts cut into passages of whole sentences.
 *
 * Both books of the recipe go through here, so that the model has not to learn the one's typography with the other.
 */

/** Straight quotes, `—` for every dash between words, single spaces, no line ends, no stage directions in brackets. */
export function cleanProse(text: string): string {
  return text
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[\u2010\u2011]/g, '-')
    .replace(/\s*(?:-{2,}|–|—)\s*/g, '—')
    .replace(/\[[^\]]{0,40}\]|[[(](?:applause|laughter)\.?[\])]/gi, ' ')
    .replace(/[*_@•\p{Cc}]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ([,.;:?!])/g, '$1')
    .trim()
}

/**
 * Whole sentences put together until a passage has at least `target()` words. A rest below `minWords` goes to the
 * passage before it; a sentence alone may be longer than every target.
 */
export function cutPassages(
  text: string,
  { minWords, target }: { minWords: number; target: () => number },
): string[] {
  const passages: string[] = []
  let sentences: string[] = []
  let words = 0
  let wanted = target()
  for (const sentence of splitSentences(text)) {
    sentences.push(sentence)
    words += wordsIn(sentence)
    if (words < wanted) continue
    passages.push(sentences.join(' '))
    sentences = []
    words = 0
    wanted = target()
  }
  const rest = sentences.join(' ')
  if (rest === '') return passages
  if (words < minWords && passages.length > 0) passages.push(`${passages.pop()} ${rest}`)
  else passages.push(rest)
  return passages
}

/** A sentence ends at `.`, `!` or `?` (and closing quotes) before a space and a capital, except after a title. */
export function splitSentences(text: string): string[] {
  const sentences: string[] = []
  let start = 0
  for (const match of text.matchAll(/[.!?]["')]* (?=["'(]*[A-Z0-9])/g)) {
    const end = match.index + match[0].length
    if (match[0] === '. ' && ABBREVIATION.test(text.slice(start, match.index))) continue
    sentences.push(text.slice(start, end - 1))
    start = end
  }
  if (start < text.length) sentences.push(text.slice(start))
  return sentences
}

export function wordsIn(text: string): number {
  return text.split(' ').length
}

const ABBREVIATION: RegExp =
  /(?:^|[ ("'—])(?:Mr|Mrs|Ms|Dr|Drs|St|Messrs|Gen|Col|Capt|Lieut|Rev|Hon|No|Nos|vs|[A-Z])$/
