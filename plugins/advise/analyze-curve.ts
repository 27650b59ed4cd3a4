/**
 * What a loss curve looks like: its trend, its noise, and one number for how healthy it is. docs/advise/curve.md
 */
import type { StepPoint } from './step-point.ts'
import { fitLine } from './_statistics.ts'
import { plateauOf } from './signs/plateau.ts'
import { riseOf } from './signs/rise.ts'
import { noiseOf, swingOf } from './signs/swing.ts'

/**
 * What a curve does: `short` has too few steps, `falling` goes down and slows as loss curves do, `linear` goes down at one pace, `unclear` is
 * too noisy to tell.
 */
export type CurveTrend = 'short' | 'falling' | 'linear' | 'plateau' | 'oscillating' | 'diverging' | 'unclear'

/** What `analyzeCurve()` finds. */
export interface CurveAnalysis {
  readonly trend: CurveTrend
  /** Nats a step over the last steps; below 0 it falls. NaN of a short curve. */
  readonly slope: number
  /** Scatter from step to step, as a part of the loss. */
  readonly noise: number
  /** 0 … 1: seven parts the trend, three parts the noise. NaN of a short curve. */
  readonly health: number
}

/** Options of `analyzeCurve()`. */
export interface CurveOptions {
  /** Steps at the end that are looked at; default 100. */
  readonly steps?: number
}

const SHORTEST = 20
/** A rise that is sure and above this part of the loss. */
const DIVERGING = 0.05
const SWINGING = 0.1
/** Standard errors. */
const SURE = 3
/** A second half that keeps this part of the slope of the first has not slowed. */
const ONE_PACE = 0.8
const NOISIEST = 0.2

const TREND_HEALTH: Readonly<Record<CurveTrend, number>> = {
  short: Number.NaN,
  falling: 1,
  linear: 0.9,
  unclear: 0.6,
  plateau: 0.4,
  oscillating: 0.3,
  diverging: 0,
}

/**
 * Looks at the last steps of a curve. Not finite losses are passed over, but of the last one: that diverges.
 *
 * @example
 * ```ts
 * import { analyzeCurve } from 'tritune/plugins/advise'
 *
 * const points = Array.from({ length: 80 }, (_, i) => ({
 *   step: i + 1,
 *   loss: 2 + 3 * Math.exp(-i / 20),
 *   gradNorm: 1,
 *   learningRate: 1e-3,
 * }))
 * console.log(analyzeCurve(points).trend) // → falling
 * ```
 */
export function analyzeCurve(
  points: readonly StepPoint[],
  { steps = 100 }: CurveOptions = {},
): CurveAnalysis {
  const losses = points
    .slice(-steps)
    .map(({ loss }) => loss)
    .filter(Number.isFinite)
  const noise = noiseOf(points)
  const slope = losses.length < SHORTEST ? Number.NaN : fitLine(losses).slope
  const trend = trendOf(points, losses, steps)
  const calm = 1 - Math.min(1, noise / NOISIEST)
  return { trend, slope, noise, health: 0.7 * TREND_HEALTH[trend] + 0.3 * calm }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function trendOf(points: readonly StepPoint[], losses: readonly number[], steps: number): CurveTrend {
  const last = points.at(-1)
  if (last && !Number.isFinite(last.loss)) return 'diverging'
  if (losses.length < SHORTEST) return 'short'
  if (riseOf(points) > DIVERGING) return 'diverging'
  if (swingOf(points) > SWINGING) return 'oscillating'
  const { slope, slopeError } = fitLine(losses)
  if (slope < -SURE * slopeError || (slopeError === 0 && slope < 0))
    return hasSlowed(losses) ? 'falling' : 'linear'
  return plateauOf(points, { steps, leastFall: 0.02 }) === null ? 'unclear' : 'plateau'
}

function hasSlowed(losses: readonly number[]): boolean {
  const half = losses.length >> 1
  return fitLine(losses.slice(half)).slope > ONE_PACE * fitLine(losses.slice(0, half)).slope
}
