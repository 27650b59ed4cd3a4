/** The last numbers of a curve, without those that are not finite. */
import type { StepPoint } from '../step-point.ts'

/** At most `count` of them, oldest first. */
export function lastFinite(points: readonly StepPoint[], name: 'loss' | 'gradNorm', count: number): number[] {
  const found: number[] = []
  for (let i = points.length - 1; i >= 0 && found.length < count; i--) {
    const value = points[i][name]
    if (Number.isFinite(value)) found.push(value)
  }
  return found.toReversed()
}
