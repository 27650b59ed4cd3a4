/**
 * Which learning rate the last steps speak for. It advises and changes nothing. docs/advise/learning-rate.md
 */
import type { Severity } from '../../core/mod.ts'
import { peakOf, type StepPoint } from './step-point.ts'
import { gradientJumpOf } from './signs/gradient-jump.ts'
import { plateauOf } from './signs/plateau.ts'
import { riseOf } from './signs/rise.ts'
import { swingOf } from './signs/swing.ts'

/** What `adviseLearningRate()` says. */
export interface LearningRateAdvice {
  readonly sign: 'gradient-jump' | 'rising-loss' | 'swinging-loss' | 'plateau'
  readonly severity: Severity
  /** On the rate below which the schedule goes on. */
  readonly factor: number
  /** The rate to set: the schedule goes on below it. */
  readonly learningRate: number
  /** For people: what is seen, and what is advised. */
  readonly text: string
}

/** Options of `adviseLearningRate()`. */
export interface LearningRateOptions {
  /** Steps of the warm-up, in which the loss may swing twice as much; default 0. */
  readonly warmupSteps?: number
  /** Steps of a plateau; default 100. */
  readonly plateauSteps?: number
  /** Rate below which the schedule goes on, as the file or a change has it; default: the highest of the points. Where a step has less than its half there is no plateau. */
  readonly peakRate?: number
}

/**
 * The strongest sign in the last steps; null when nothing speaks for another rate. The signs are looked for in this order: a jump of the gradient
 * norm, a loss that rises, one that swings ever wider, a plateau.
 *
 * @example
 * ```ts
 * import { adviseLearningRate } from 'tritune/plugins/advise'
 *
 * const points = Array.from({ length: 60 }, (_, i) => ({
 *   step: i + 1,
 *   loss: i < 40 ? 2 : 2 + 0.1 * (i - 39),
 *   gradNorm: 1,
 *   learningRate: 1e-3,
 * }))
 * const advice = adviseLearningRate(points)
 * console.log(advice?.sign, advice?.factor) // → rising-loss 0.4
 * ```
 */
export function adviseLearningRate(
  points: readonly StepPoint[],
  { warmupSteps = 0, plateauSteps = 100, peakRate = peakOf(points) }: LearningRateOptions = {},
): LearningRateAdvice | null {
  const last = points.at(-1)
  if (!last) return null
  const found =
    jump(gradientJumpOf(points)) ??
    rise(riseOf(points)) ??
    swing(swingOf(points), last.step <= warmupSteps ? 2 : 1) ??
    flat(plateauOf(points, { steps: plateauSteps, leastFall: 0.02, peakRate }), plateauSteps)
  if (!found) return null
  const { sign, severity, factor, seen } = found
  const learningRate = peakRate * factor
  return {
    sign,
    severity,
    factor,
    learningRate,
    text: `${seen}: try a learning rate of ${learningRate.toExponential(2)} (× ${factor})`,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sign extends Pick<LearningRateAdvice, 'sign' | 'severity' | 'factor'> {
  readonly seen: string
}

function jump(times: number): Sign | null {
  if (times <= 5) return null
  const seen = `the gradient norm is ${times.toPrecision(2)} times what it was`
  return times > 10
    ? { sign: 'gradient-jump', severity: 'critical', factor: 0.25, seen }
    : { sign: 'gradient-jump', severity: 'warning', factor: 0.5, seen }
}

function rise(part: number): Sign | null {
  if (part <= 0.05) return null
  const seen = `the loss is ${percent(part)} above its lowest`
  return part > 0.15
    ? { sign: 'rising-loss', severity: 'critical', factor: 0.4, seen }
    : { sign: 'rising-loss', severity: 'warning', factor: 0.6, seen }
}

function swing(part: number, borne: number): Sign | null {
  if (part <= 0.1 * borne) return null
  const seen = `the loss swings by ${percent(part)} from step to step, three times as much as before`
  return { sign: 'swinging-loss', severity: 'warning', factor: part > 0.2 * borne ? 0.4 : 0.5, seen }
}

function flat(fall: number | null, steps: number): Sign | null {
  if (fall === null) return null
  const seen = `the loss has not fallen in ${steps} steps, at a learning rate that is not yet low`
  return { sign: 'plateau', severity: 'info', factor: fall < 0.001 ? 2 : 1.5, seen }
}

function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`
}
