/**
 * The lines of the files of a run: metrics.jsonl, events.jsonl, histograms.jsonl. One JSON object a line; readers leave alone what they do not know.
 */
import type { Histogram } from '../../../core/mod.ts'

/** The files of lines in the folder of a run. */
export const RUN_LINES: Readonly<Record<keyof RunLines, string>> = {
  metrics: 'metrics.jsonl',
  events: 'events.jsonl',
  histograms: 'histograms.jsonl',
}

/** What each file of a run has a line of. */
export interface RunLines {
  metrics: MetricsLine
  events: EventLine
  histograms: HistogramLine
}

/** Numbers of a step (`loss`, `learning_rate`, …) or of an evaluation (`eval_loss`, …), by name; null: not finite. */
export interface MetricsLine {
  readonly step: number
  readonly [name: string]: number | null
}

/**
 * Something that happened. `type` is that of a run's events (`eval`, `save`, `note`, `control`, `sample`, `alert`, `advice`, `error`, `start`, `end`),
 * whose other fields follow.
 */
export interface EventLine {
  /** ISO date. */
  readonly time: string
  /** Steps done. */
  readonly step: number
  readonly type: string
  readonly [field: string]: unknown
}

/** How the elements of one tensor were spread after a step. */
export type HistogramLine = Histogram
