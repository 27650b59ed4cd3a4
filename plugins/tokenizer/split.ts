/**
 * Cutting a text at matches, in the five ways of the Rust library. Pieces that are empty are left out.
 */
import type { Part } from './part.ts'
import type { Find } from './patterns.ts'

export const BEHAVIORS = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] as const
export type SplitBehavior = (typeof BEHAVIORS)[number]

/** Start and end of each piece, one after the other. */
export type Split = (text: string) => number[]

export function splitBehavior(part: Part, fallback?: SplitBehavior): SplitBehavior {
  const name = part.text('behavior', fallback)
  const behavior = BEHAVIORS.find((known) => known === name)
  if (behavior === undefined) throw part.wrong('behavior', `one of ${BEHAVIORS.join(', ')}`)
  return behavior
}

/** `invert`: what the pattern does not match is what separates. */
export function splitAt(find: Find, behavior: SplitBehavior, invert = false): Split {
  return (text) => {
    const { spans, isMatch } = segments(text, find(text), invert)
    const cut = behavior === 'MergedWithNext' ? mergeNext(spans, isMatch) : merge(spans, isMatch, behavior)
    return withoutEmpty(cut)
  }
}

interface Segments {
  readonly spans: number[]
  readonly isMatch: boolean[]
}

/** The matches and what lies between them. */
function segments(text: string, places: readonly number[], invert: boolean): Segments {
  const spans: number[] = []
  const isMatch: boolean[] = []
  let end = 0
  for (let i = 0; i < places.length; i += 2) {
    if (places[i] > end) {
      spans.push(end, places[i])
      isMatch.push(invert)
    }
    spans.push(places[i], places[i + 1])
    isMatch.push(!invert)
    end = places[i + 1]
  }
  if (end < text.length) {
    spans.push(end, text.length)
    isMatch.push(invert)
  }
  return { spans, isMatch }
}

function merge(spans: number[], isMatch: readonly boolean[], behavior: SplitBehavior): number[] {
  if (behavior === 'Isolated') return spans
  const cut: number[] = []
  let previous = false
  isMatch.forEach((match, i) => {
    const joins =
      behavior === 'Contiguous' ? match === previous : behavior === 'MergedWithPrevious' && match && !previous
    previous = match
    if (behavior === 'Removed' && match) return
    if (joins && cut.length > 0) cut[cut.length - 1] = spans[2 * i + 1]
    else cut.push(spans[2 * i], spans[2 * i + 1])
  })
  return cut
}

function mergeNext(spans: readonly number[], isMatch: readonly boolean[]): number[] {
  const backwards: number[] = []
  let previous = false
  for (let i = isMatch.length - 1; i >= 0; i--) {
    if (isMatch[i] && !previous && backwards.length > 0) backwards[backwards.length - 1] = spans[2 * i]
    else backwards.push(spans[2 * i + 1], spans[2 * i])
    previous = isMatch[i]
  }
  return backwards.toReversed()
}

function withoutEmpty(spans: number[]): number[] {
  if (spans.every((place, i) => i % 2 === 0 || place > spans[i - 1])) return spans
  return spans.filter((place, i) => (i % 2 === 0 ? spans[i + 1] > place : place > spans[i - 1]))
}
