/**
 * `split: train[a:b]`: a part of a dataset, in records or percent, negative counts from the end, as in Hugging Face's
 * datasets (percentages round to the nearest record).
 */
import { TrituneError } from '../../core/errors.ts'

/** Records `[start, end)` of `count`. */
export function recordSlice(split: string | null, count: number): { start: number; end: number } {
  if (split === null || split === 'train') return { start: 0, end: count }
  const match = /^train\[(-?\d+%?)?:(-?\d+%?)?\]$/.exec(split)
  if (!match) throw new TrituneError('E_CONFIG', `cannot read the split "${split}"`, { place: 'split' })
  const start = position(match[1], 0, count)
  return { start, end: Math.max(start, position(match[2], count, count)) }
}

function position(text: string | undefined, fallback: number, count: number): number {
  if (text === undefined) return fallback
  const number = Number.parseInt(text, 10)
  const absolute = text.endsWith('%') ? Math.round((number / 100) * count) : number
  return Math.min(count, Math.max(0, absolute < 0 ? absolute + count : absolute))
}
