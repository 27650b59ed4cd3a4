/**
 * What the advisors look at: the numbers of one step. Not what a run writes: `pointOf()` makes it of what a run reports.
 */
import type { StepReport } from '../../core/mod.ts'

/** One step of a run. */
export interface StepPoint {
  /** 1-based. */
  readonly step: number
  /** In nats; NaN or ±Infinity is looked at too. */
  readonly loss: number
  /** Before clipping; NaN when nothing measured it. */
  readonly gradNorm: number
  readonly learningRate: number
  /** Part of the memory of a GPU that is taken, 0 … 1; null when that is not known. */
  readonly memoryPart?: number | null
}

/** The highest learning rate of these steps; 0 without any. */
export function peakOf(points: readonly StepPoint[]): number {
  return points.reduce((most, { learningRate }) => Math.max(most, learningRate), 0)
}

/** The point of a step that a run reports. */
export function pointOf({ step, loss, gradNorm, learningRate }: StepReport): StepPoint {
  return { step, loss, gradNorm, learningRate }
}
