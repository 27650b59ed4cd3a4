/**
 * The numbers of a run as trackers name them: `train/loss`, `eval/loss`, as the trainers of Python do.
 */
import type { RunEvent } from '../../core/mod.ts'
import { metricsOfEvent } from '../runs/mod.ts'

/** The numbers of one event. */
export interface Scalars {
  readonly step: number
  /** By the names of metrics.jsonl. */
  readonly values: Readonly<Record<string, number>>
}

/** null: the event has none. */
export function scalarsOf(event: RunEvent): Scalars | null {
  const line = metricsOfEvent(event)
  if (line === null) return null
  const { step, ...values } = line
  return { step, values }
}

/** `eval_loss` is `eval/loss`, `loss` is `train/loss`. */
export function withGroup(name: string): string {
  return name.startsWith('eval_') ? `eval/${name.slice('eval_'.length)}` : `train/${name}`
}

/** Whether a step is told where not all are: as the lines for people, and always the last. */
export function isTold(event: RunEvent, loggingSteps: number): boolean {
  if (event.type !== 'step') return true
  const { step, totalSteps } = event.report
  return step === 1 || step === totalSteps || step % loggingSteps === 0
}
