/**
 * Whether the loss has stopped falling, at a learning rate at which it should fall.
 *
 * A line is put through the last steps. It is a plateau when the line falls by next to nothing, by little even where its slope is taken as one
 * standard error steeper, and when the batches scatter so little that this can be told. After the learning rate has decayed, and in the warm-up, a flat line says nothing.
 */
import { peakOf, type StepPoint } from '../step-point.ts'
import { fitLine, wholeOf } from '../_statistics.ts'

export interface PlateauSignOptions {
  /** Steps that are looked at. */
  readonly steps: number
  /** Part of its mean by which the loss falls in these steps where all is well. */
  readonly leastFall: number
  /** Rate below which the schedule goes on; default: the highest of the points. */
  readonly peakRate?: number | undefined
}

/** Part of the highest rate below which a run is in its warm-up or decay. */
const AT_WORK = 0.5

/** The part by which the loss fell in these steps (below 0: it rose); null when it is no plateau, or cannot be told. */
export function plateauOf(
  points: readonly StepPoint[],
  { steps, leastFall, peakRate = peakOf(points) }: PlateauSignOptions,
): number | null {
  const last = points.slice(-steps).filter(({ loss }) => Number.isFinite(loss))
  if (last.length < steps) return null
  if (last.some(({ learningRate }) => learningRate < AT_WORK * peakRate)) return null
  const line = fitLine(last.map(({ loss }) => loss))
  const scale = steps / wholeOf(line.mean)
  const fall = -line.slope * scale
  const error = line.slopeError * scale
  const isFlat = Math.abs(fall) < leastFall && fall < leastFall / 2
  return isFlat && error < leastFall && fall + error < leastFall ? fall : null
}
