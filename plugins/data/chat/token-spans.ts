/**
 * Spans of a text → spans of its tokens, for tokenizers that do not report offsets.
 *
 * The pieces between the span boundaries are encoded one by one. Where that gives the tokens of the whole text the
 * boundaries are exact; a token that reaches over a boundary belongs to the span it reaches into.
 */
import type { CharSpan } from '../../../core/mod.ts'

export type EncodeText = (text: string) => readonly number[]

/** Tokens `[start, end)` for each span; `ids` are the tokens of `text`, spans are in order and do not overlap. */
export function tokenSpans(
  text: string,
  ids: readonly number[],
  spans: readonly CharSpan[],
  encode: EncodeText,
): CharSpan[] {
  const cuts = [0, ...spans.flatMap(({ start, end }) => [start, end]), text.length]
  const pieces = cuts.slice(1).map((cut, i) => (cut === cuts[i] ? [] : encode(text.slice(cuts[i], cut))))
  if (isSame(pieces.flat(), ids)) {
    const ends: number[] = []
    let count = 0
    for (const piece of pieces) ends.push((count += piece.length))
    return spans.map((_, i) => ({ start: ends[2 * i], end: ends[2 * i + 1] }))
  }
  return spans.map(({ start, end }) => ({
    start: commonPrefix(encode(text.slice(0, start)), ids),
    end: endOf(text, end, ids, encode),
  }))
}

function endOf(text: string, end: number, ids: readonly number[], encode: EncodeText): number {
  const upToEnd = encode(text.slice(0, end))
  if (commonPrefix(upToEnd, ids) === upToEnd.length) return upToEnd.length
  return ids.length - commonSuffix(encode(text.slice(end)), ids)
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && commonPrefix(a, b) === a.length
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

function commonSuffix(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[a.length - 1 - length] === b[b.length - 1 - length])
    length++
  return length
}
