/**
 * More learning-rate schedules, as factors on the peak rate: cosine with restarts, polynomial, inverse square root and cosine with a
 * warm-up of its own, equal to transformers'; REX, equal to axolotl's; one cycle, equal to torch's OneCycleLR; the two stages
 * of BitNet.
 */
import { linearSchedule, type Schedule, type ScheduleOptions } from './schedule.ts'

/**
 * `cycles` cosines from 1 to 0, each beginning anew: `get_cosine_with_hard_restarts_schedule_with_warmup`.
 *
 * @example
 * ```ts
 * import { cosineRestartsSchedule } from 'tritune/core'
 *
 * const factor = cosineRestartsSchedule({ totalSteps: 8, cycles: 2 })
 * console.log(factor(0), factor(4), factor(8)) // → 1 1 0
 * ```
 */
export function cosineRestartsSchedule({
  warmupSteps = 0,
  totalSteps,
  cycles = 1,
}: ScheduleOptions & { readonly cycles?: number }): Schedule {
  return (step) => {
    if (step < warmupSteps) return step / Math.max(1, warmupSteps)
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
    return progress >= 1 ? 0 : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1))))
  }
}

/**
 * From 1 to `end` along (1 − progress)^power: `get_polynomial_decay_schedule_with_warmup`.
 *
 * @example
 * ```ts
 * import { polynomialSchedule } from 'tritune/core'
 *
 * const factor = polynomialSchedule({ totalSteps: 4, power: 2 })
 * console.log([0, 2, 4].map(factor)) // → [ 1, 0.25, 0 ]
 * ```
 */
export function polynomialSchedule({
  warmupSteps = 0,
  totalSteps,
  power = 1,
  end = 0,
}: ScheduleOptions & { readonly power?: number; readonly end?: number }): Schedule {
  return (step) => {
    if (step < warmupSteps) return step / Math.max(1, warmupSteps)
    const left = Math.max(0, 1 - (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps))
    return (1 - end) * left ** power + end
  }
}

/**
 * 1/√ of the steps since the warm-up, in units of `timescale`: `get_inverse_sqrt_schedule`. It has no end.
 *
 * @example
 * ```ts
 * import { inverseSqrtSchedule } from 'tritune/core'
 *
 * const factor = inverseSqrtSchedule({ warmupSteps: 4 })
 * console.log([2, 4, 16].map(factor)) // → [ 0.5, 1, 0.5 ]
 * ```
 */
export function inverseSqrtSchedule({
  warmupSteps = 0,
  timescale = warmupSteps || 10_000,
}: {
  readonly warmupSteps?: number
  readonly timescale?: number
} = {}): Schedule {
  return (step) =>
    step < warmupSteps
      ? step / Math.max(1, warmupSteps)
      : 1 / Math.sqrt((step + timescale - warmupSteps) / timescale)
}

/**
 * Half a cosine to `minRatio` after a warm-up from `warmupRatio`, by default from 1/warmupSteps: the first step is not lost to a rate of 0.
 * `get_cosine_with_min_lr_schedule_with_warmup_lr_rate`.
 */
export function cosineWarmupSchedule({
  warmupSteps = 0,
  totalSteps,
  minRatio = 0,
  warmupRatio,
  cycles = 0.5,
}: ScheduleOptions & {
  readonly minRatio?: number
  readonly warmupRatio?: number
  readonly cycles?: number
}): Schedule {
  return (step) => {
    if (step < warmupSteps) {
      if (warmupRatio === undefined) return (step + 1) / Math.max(1, warmupSteps)
      return warmupRatio + ((1 - warmupRatio) * step) / Math.max(1, warmupSteps - 1)
    }
    const progress = (step - warmupSteps + 1) / Math.max(1, totalSteps - warmupSteps)
    const factor = 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress))
    return Math.max(0, factor * (1 - minRatio) + minRatio)
  }
}

/**
 * Reflected exponential (arXiv 2107.04197): slow to fall at first, fast at the end, to `minRatio`; as axolotl's RexLR, whose warm-up begins at 1/warmupSteps.
 *
 * @example
 * ```ts
 * import { rexSchedule } from 'tritune/core'
 *
 * const factor = rexSchedule({ totalSteps: 10 })
 * console.log(factor(4) > 0.9, factor(9)) // → true 0
 * ```
 */
export function rexSchedule({
  warmupSteps = 0,
  totalSteps,
  minRatio = 0,
}: ScheduleOptions & { readonly minRatio?: number }): Schedule {
  return (step) => {
    const at = step + 1
    if (at <= warmupSteps) return at / warmupSteps
    const steps = totalSteps - warmupSteps
    const after = at - warmupSteps
    if (after >= steps) return minRatio
    const left = (steps - after) / steps
    return minRatio + (1 - minRatio) * (left / (0.1 + 0.9 * left))
  }
}

/** The form of `oneCycleSchedule()`, as of torch.optim.lr_scheduler.OneCycleLR. */
export interface OneCycleOptions {
  readonly totalSteps: number
  /** The part of the steps in which the rate rises. */
  readonly rise?: number
  readonly anneal?: 'cos' | 'linear'
  /** It begins at 1/divFactor, and ends at 1/(divFactor·finalDivFactor). */
  readonly divFactor?: number
  readonly finalDivFactor?: number
  /** It falls as it rose, then on to the end. */
  readonly threePhase?: boolean
}

/**
 * Up to the peak and far below the start again (arXiv 1708.07120).
 *
 * @example
 * ```ts
 * import { oneCycleSchedule } from 'tritune/core'
 *
 * const factor = oneCycleSchedule({ totalSteps: 20, rise: 0.25 })
 * console.log(factor(0).toFixed(2), factor(4)) // → 0.04 1
 * ```
 */
export function oneCycleSchedule({
  totalSteps,
  rise = 0.3,
  anneal = 'cos',
  divFactor = 25,
  finalDivFactor = 1e4,
  threePhase = false,
}: OneCycleOptions): Schedule {
  const first = 1 / divFactor
  const last = first / finalDivFactor
  const top = rise * totalSteps - 1
  const end = totalSteps - 1
  const phases = threePhase
    ? [
        { until: top, from: first, to: 1 },
        { until: 2 * rise * totalSteps - 2, from: 1, to: first },
        { until: end, from: first, to: last },
      ]
    : [
        { until: top, from: first, to: 1 },
        { until: end, from: 1, to: last },
      ]
  return (step) => {
    const found = phases.findIndex(({ until }) => step <= until)
    const at = found === -1 ? phases.length - 1 : found
    const { until, from, to } = phases[at]
    const begin = at === 0 ? 0 : phases[at - 1].until
    const part = until === begin ? 1 : (step - begin) / (until - begin)
    return anneal === 'linear'
      ? (to - from) * part + from
      : to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1)
  }
}

/**
 * Linearly from 1 towards 0 at `totalSteps`, and from `stageStart` of the steps on only `ratio` of that: the two stages of BitNet b1.58
 * (Ma et al. 2024, "Training Tips, Code and FAQ"). Weights decay in the first stage only; that is the optimizer's.
 *
 * @example
 * ```ts
 * import { twoStageSchedule } from 'tritune/core'
 *
 * const factor = twoStageSchedule({ totalSteps: 8, ratio: 0.5 })
 * console.log([0, 2, 3, 4, 6].map(factor)) // → [ 1, 0.75, 0.625, 0.25, 0.125 ]
 * ```
 */
export function twoStageSchedule({
  warmupSteps = 0,
  totalSteps,
  stageStart = 0.5,
  ratio = 2 / 3,
}: ScheduleOptions & { readonly stageStart?: number; readonly ratio?: number }): Schedule {
  const whole = linearSchedule({ warmupSteps, totalSteps })
  const first = secondStage(totalSteps, stageStart)
  return (step) => whole(step) * (step < first ? 1 : ratio)
}

/** The first step of the second stage. */
export function secondStage(totalSteps: number, stageStart = 0.5): number {
  return Math.ceil(totalSteps * stageStart)
}
