/**
 * A run that a page asks to watch, and how much of it the page has already: who adds a run to others is not told all of those again.
 *
 * `<id>`, or `<id>.<lines of metrics>.<step of the last one>.<events>.<histograms>`.
 */
import type { RunChange } from '../../runs/mod.ts'

export interface WantedRun {
  readonly id: string
  readonly known: KnownLines
}

export interface KnownLines {
  readonly metrics: number
  /** Of the last of them: a run that began anew meanwhile has another there. */
  readonly lastStep: number
  readonly events: number
  readonly histograms: number
}

export function wantedRun(text: string): WantedRun {
  const [id, ...numbers] = text.split('.')
  const [metrics = 0, lastStep = 0, events = 0, histograms = 0] = numbers.map((one) =>
    /^\d{1,15}$/.test(one) ? Number(one) : 0,
  )
  return { id, known: { metrics, lastStep, events, histograms } }
}

/** The first change of a watch, which has everything, without what is known; everything anew where that does not fit. */
export function restOf(change: RunChange, { metrics, lastStep, events, histograms }: KnownLines): RunChange {
  const fits =
    metrics > 0 &&
    change.metrics.at(metrics - 1)?.step === lastStep &&
    change.events.length >= events &&
    change.histograms.length >= histograms
  if (!fits) return { ...change, anew: ['metrics', 'events', 'histograms'] }
  return {
    ...change,
    metrics: change.metrics.slice(metrics),
    events: change.events.slice(events),
    histograms: change.histograms.slice(histograms),
  }
}
