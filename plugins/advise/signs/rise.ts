/**
 * By how much the loss is above where it was: the mean of the last steps against the lowest mean of as many earlier ones.
 *
 * Batches differ, so a rise counts only when it is several times what the scatter of both means explains.
 */
import type { StepPoint } from '../step-point.ts'
import { mean, meanVariance } from '../_statistics.ts'

/** Steps of each mean. */
const STRETCH = 20
/** Standard errors. */
const SURE = 4

/** As a part of the lowest mean: 0.05 is 5 % above. 0 when it is not sure, or when there are too few steps. */
export function riseOf(points: readonly StepPoint[]): number {
  const losses = points.map(({ loss }) => loss).filter(Number.isFinite)
  if (losses.length < 2 * STRETCH) return 0
  const now = losses.slice(-STRETCH)
  const best = lowestStretch(losses.slice(0, -STRETCH))
  const rise = mean(now) - mean(best)
  if (rise <= SURE * Math.sqrt(meanVariance(now) + meanVariance(best))) return 0
  return rise / Math.max(Math.abs(mean(best)), Number.MIN_VALUE)
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
