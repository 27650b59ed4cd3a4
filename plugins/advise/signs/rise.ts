/**
 * By how much the loss is above where it was: the mean of the last steps against the lowest mean of as many earlier ones, or that of the first five.
 *
 * Batches differ, so a rise counts only when it is several times what the scatter of both means explains.
 */
import { lastFinite } from './last-finite.ts'
import type { StepPoint } from '../step-point.ts'
import { mean, meanVariance, wholeOf } from '../_statistics.ts'

/** Steps of each mean. */
const STRETCH = 20
/** The first steps, which a run that goes wrong at once has alone below it. */
const START = 5
/** Standard errors. */
const SURE = 4

/** As a part of the lowest mean: 0.05 is 5 % above. 0 when it is not sure, or when there are too few steps. */
export function riseOf(points: readonly StepPoint[]): number {
  const losses = lastFinite(points, 'loss', Infinity)
  if (losses.length < 2 * STRETCH) return 0
  const now = losses.slice(-STRETCH)
  const before = [lowestStretch(losses.slice(0, -STRETCH)), losses.slice(0, START)]
  const best = mean(before[1]) < mean(before[0]) ? before[1] : before[0]
  const rise = mean(now) - mean(best)
  // Of five steps the scatter is hardly known.
  const scatter =
    meanVariance(now) + Math.max(meanVariance(best), (meanVariance(now) * STRETCH) / best.length)
  if (rise <= SURE * Math.sqrt(scatter)) return 0
  return rise / wholeOf(mean(best))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function lowestStretch(losses: readonly number[]): readonly number[] {
  let sum = losses.slice(0, STRETCH).reduce((total, loss) => total + loss, 0)
  let [lowest, at] = [sum, 0]
  for (let end = STRETCH; end < losses.length; end++) {
    sum += losses[end] - losses[end - STRETCH]
    if (sum < lowest) [lowest, at] = [sum, end - STRETCH + 1]
  }
  return losses.slice(at, at + STRETCH)
}
