/**
 * `split: train[a:b]`: the name of a split and a part of it, in records or percent, negative counts from the end, as in
 * Hugging Face's datasets (percentages round to the nearest record, halves to the even one).
 */
import { TrituneError } from '../../../core/errors.ts'

export const SPLIT: RegExp = /^(\w+(?:\.\w+)*)(?:\[(?:(-?[\d_]+)(%)?)?:(?:(-?[\d_]+)(%)?)?\])?$/

/** The split that is meant; `train` when none is said. */
export function splitName(split: string | null): string {
  return (split === null ? undefined : SPLIT.exec(split)?.[1]) ?? 'train'
}

/** True when only a part is meant. */
export function isPart(split: string | null): boolean {
  return split !== null && split.endsWith(']')
}

/** Records `[start, end)` of `count`. E_CONFIG when there is none of them. */
export function recordSlice(split: string | null, count: number): { start: number; end: number } {
  if (!isPart(split)) return { start: 0, end: count }
  const match = SPLIT.exec(split ?? '')
  if (!match) throw refused(split, 'it cannot be read')
  const [, , from, fromPercent, to, toPercent] = match
  const isPercent = fromPercent !== undefined || toPercent !== undefined
  const isMixed = (from !== undefined && !fromPercent) || (to !== undefined && !toPercent)
  if (isPercent && isMixed) throw refused(split, 'it mixes percent and records')
  const position = (text: string | undefined, fallback: number): number => {
    if (text === undefined) return fallback
    const number = Number(text.replaceAll('_', ''))
    if (isPercent && Math.abs(number) > 100) throw refused(split, 'it has more than 100 %')
    const absolute = isPercent ? roundHalfToEven((number * count) / 100) : number
    return Math.min(count, Math.max(0, absolute < 0 ? absolute + count : absolute))
  }
  const [start, end] = [position(from, 0), position(to, count)]
  if (start >= end) throw refused(split, `it takes none of the ${count} records`)
  return { start, end }
}

function refused(split: string | null, why: string): TrituneError {
  return new TrituneError('E_CONFIG', `the split "${split}": ${why}`, { place: 'split' })
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
