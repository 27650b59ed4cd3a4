/**
 * What the terminal knows of a run: its record, its steps and evaluations, its newest samples and events. Each change gives the next one.
 */
import type { EventLine, MetricsLine, RunChange, RunRecord } from '../../runs/mod.ts'

/** A run as it is shown. */
export interface WatchedRun {
  readonly run: RunRecord
  /** Lines of steps, oldest first. */
  readonly steps: readonly MetricsLine[]
  readonly evaluations: readonly MetricsLine[]
  /** The newest text that the model wrote; null: none yet. */
  readonly sample: { readonly step: number; readonly prompt: string; readonly completion: string } | null
  /** The newest events that people are told of, oldest first. */
  readonly log: readonly EventLine[]
}

const LOGGED = 200
const NOT_LOGGED: readonly string[] = ['step', 'sample', 'samples']

/** `before` null: the first change. */
export function nextWatched(before: WatchedRun | null, change: RunChange): WatchedRun {
  const kept = {
    steps: before === null || change.anew.includes('metrics') ? [] : before.steps,
    evaluations: before === null || change.anew.includes('metrics') ? [] : before.evaluations,
    log: before === null || change.anew.includes('events') ? [] : before.log,
    sample: before === null || change.anew.includes('events') ? null : before.sample,
  }
  const steps = change.metrics.filter((line) => 'loss' in line)
  const evaluations = change.metrics.filter((line) => 'eval_loss' in line)
  const sample = change.events.findLast(({ type }) => type === 'sample')
  const log = change.events.filter(({ type }) => !NOT_LOGGED.includes(type))
  return {
    run: change.run,
    steps: steps.length === 0 ? kept.steps : [...kept.steps, ...steps],
    evaluations: [...kept.evaluations, ...evaluations],
    sample: sample === undefined ? kept.sample : sampleOf(sample),
    log: [...kept.log, ...log].slice(-LOGGED),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sampleOf({ step, prompt, completion }: EventLine): WatchedRun['sample'] {
  return { step, prompt: String(prompt ?? ''), completion: String(completion ?? '') }
}
