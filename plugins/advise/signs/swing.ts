/**
 * How much the loss swings from step to step, beside how much it did before: what a learning rate that is too high does before the loss rises.
 *
 * Losses of small batches scatter however well a run goes. So a swing counts only when it has grown much wider than it was in the same run.
 */
import { lastFinite } from './last-finite.ts'
import type { StepPoint } from '../step-point.ts'
import { aroundLine, mean, spread, wholeOf } from '../_statistics.ts'

const STRETCH = 20
/** Times the scatter before. */
const GROWN = 3

/** Scatter of the last steps around their line as a part of their mean; 0 when it has not grown, or when there are too few steps. */
export function swingOf(points: readonly StepPoint[]): number {
  const losses = lastFinite(points, 'loss', 3 * STRETCH)
  if (losses.length < 3 * STRETCH) return 0
  const now = losses.slice(-STRETCH)
  const before = losses.slice(-3 * STRETCH, -STRETCH)
  const wide = spread(aroundLine(now))
  return wide > GROWN * spread(aroundLine(before)) ? wide / wholeOf(mean(now)) : 0
}

/** Scatter around a line through the last steps, as a part of their mean: what batches do. */
export function noiseOf(points: readonly StepPoint[]): number {
  const losses = lastFinite(points, 'loss', STRETCH)
  return losses.length < 3 ? 0 : spread(aroundLine(losses)) / wholeOf(mean(losses))
}
