/**
 * How many times the norm of the gradient is what it was: the middle one of the last three steps against that of the fifty before, so that one odd
 * batch is none.
 */
import { lastFinite } from './last-finite.ts'
import type { StepPoint } from '../step-point.ts'
import { median } from '../_statistics.ts'

const NOW = 3
const BEFORE = 50
const LEAST_BEFORE = 20

/** 1 when there are too few steps, or when nothing measured the norm. */
export function gradientJumpOf(points: readonly StepPoint[]): number {
  const norms = lastFinite(points, 'gradNorm', NOW + BEFORE)
  const before = norms.slice(-NOW - BEFORE, -NOW)
  if (before.length < LEAST_BEFORE) return 1
  const usual = median(before)
  return usual > 0 ? median(norms.slice(-NOW)) / usual : 1
}
