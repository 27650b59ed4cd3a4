/**
 * Which parts of a message are trained: `message_field_training_detail`, and the flags of the parts of a content.
 *
 * axolotl's rules to the token (`get_offsets_for_train_detail`, `adjust_train_details`): offsets count characters, the last one is part of it; a part
 * reaches to the ends of the tokens that it cuts in two, unless it has but their first or their last character; what any part trains is trained.
 */
import { showValue } from '../../../core/mod.ts'
import type { RecordSource } from '../types/dataset-type.ts'
import { recordError } from '../types/dataset-type.ts'
import { isMapping } from './chat-tools.ts'

/** Characters `begin` to `end`, both of them part of it, as UTF-16 units of the text. */
export interface TrainDetail {
  readonly begin: number
  readonly end: number
  readonly isTrained: boolean
}

/** A list of `{ begin_offset, end_offset, train }`, which count code points of `text`. E_DATA for anything else. */
export function readTrainDetails(
  value: unknown,
  text: string,
  place: string,
  source: RecordSource,
): readonly TrainDetail[] {
  if (!Array.isArray(value))
    throw recordError(
      source,
      `expected ${place} to be a list of { begin_offset, end_offset, train }, got ${showValue(value)}`,
    )
  const starts = codePointStarts(text)
  return value.map((detail: unknown, i): TrainDetail => {
    const [begin, end] = ['begin_offset', 'end_offset'].map((key) => field(detail, key))
    const isTrained: unknown = isMapping(detail) ? detail['train'] : undefined
    if (begin === null || end === null || typeof isTrained !== 'boolean')
      throw recordError(
        source,
        `expected ${place}[${i}] to be { begin_offset, end_offset, train: true or false }, got ${showValue(detail)}`,
      )
    const count = starts.length - 1
    if (begin > end || begin >= count)
      throw recordError(
        source,
        `${place}[${i}] is of the characters ${begin} to ${end}, and the text has 0 to ${count - 1}`,
      )
    return { begin: starts[begin], end: starts[Math.min(end + 1, count)] - 1, isTrained }
  })
}

/**
 * For each token whether it is trained. `startOf(k)` is where token k begins in a text of `length`, for k from 0 to the `count` of tokens, and never
 * gets less.
 */
export function trainedByDetails(
  details: readonly TrainDetail[],
  count: number,
  startOf: (token: number) => number,
  length: number,
): boolean[] {
  const endOf = (token: number): number => (token < count - 1 ? startOf(token + 1) : length) - 1
  const trained = Array.from({ length: count }, () => false)
  for (const { begin, end, isTrained } of details) {
    let first = firstWhere(count, (token) => startOf(token) >= begin)
    if (first > 0 && endOf(first - 1) > begin) first--
    let last = firstWhere(count, (token) => endOf(token) > end) - 1
    if (last < count - 1 && startOf(last + 1) < end) last++
    if (first > last || !isTrained) continue
    const [from, to] = [startOf(first), endOf(last)]
    for (let token = first; token < count && startOf(token) <= to + 1; token++)
      if (startOf(token) >= from && endOf(token) <= to) trained[token] = true
  }
  return trained
}

/**
 * Where the tokens of a text begin in it, by decoding them; `whole` is what they decode to, and the text stands in it from `shift` on. A character of
 * several tokens begins with each of them.
 */
export function tokenStarts(
  ids: readonly number[],
  decode: (ids: readonly number[]) => string,
  whole: string,
  shift: number,
): (token: number) => number {
  const known = new Map<number, number>()
  return (token) => {
    const before = known.get(token)
    if (before !== undefined) return before
    const found = Math.max(0, commonLength(decode(ids.slice(0, token)), whole) - shift)
    known.set(token, found)
    return found
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function field(detail: unknown, key: string): number | null {
  const value = isMapping(detail) ? detail[key] : undefined
  const number = typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : null
}

/** Where each code point begins, and the end. */
function codePointStarts(text: string): number[] {
  const starts: number[] = []
  let at = 0
  for (const point of text) {
    starts.push(at)
    at += point.length
  }
  return [...starts, at]
}

/** The first of `count` for which it holds, by halving; `count`: for none. */
function firstWhere(count: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
