/**
 * Learning-rate schedules: pure functions from a 0-based step to a factor on the peak rate, equal to transformers'
 * `get_*_schedule_with_warmup`.
 */

export type Schedule = (step: number) => number

/** Length of a schedule in optimizer steps, and how many of them warm up, from 0 to the peak; default: none. */
export interface ScheduleOptions {
  readonly warmupSteps?: number
  readonly totalSteps: number
}

/** 0 → 1 linearly over the warm-up. The first step of a warm-up of n has factor 0, as in transformers. */
function warmup(step: number, warmupSteps: number): number {
  return step / Math.max(1, warmupSteps)
}

/**
 * 1 at every step, after a linear warm-up: `get_constant_schedule_with_warmup` of transformers.
 *
 * @example
 * ```ts
 * import { constantSchedule } from 'tritune/core'
 *
 * const factor = constantSchedule({ warmupSteps: 2 })
 * console.log([0, 1, 2, 3].map(factor)) // → [ 0, 0.5, 1, 1 ]
 * ```
 */
export function constantSchedule({ warmupSteps = 0 }: Partial<ScheduleOptions> = {}): Schedule {
  return (step) => (step < warmupSteps ? warmup(step, warmupSteps) : 1)
}

/**
 * A linear warm-up to 1, then linearly down to 0 at `totalSteps`: `get_linear_schedule_with_warmup` of transformers.
 *
 * @example
 * ```ts
 * import { linearSchedule } from 'tritune/core'
 *
 * const factor = linearSchedule({ totalSteps: 4 })
 * console.log([0, 1, 2, 3].map(factor)) // → [ 1, 0.75, 0.5, 0.25 ]
 * ```
 */
export function linearSchedule({ warmupSteps = 0, totalSteps }: ScheduleOptions): Schedule {
  return (step) => {
    if (step < warmupSteps) return warmup(step, warmupSteps)
    return Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps))
  }
}

/**
 * Half a cosine from 1 to `minRatio`.
 *
 * @example
 * ```ts
 * import { cosineSchedule } from 'tritune/core'
 *
 * const factor = cosineSchedule({ warmupSteps: 10, totalSteps: 110 })
 * console.log(factor(0), factor(5), factor(10), factor(60)) // → 0 0.5 1 0.5
 * ```
 */
export function cosineSchedule({
  warmupSteps = 0,
  totalSteps,
  minRatio = 0,
}: ScheduleOptions & { readonly minRatio?: number }): Schedule {
  return (step) => {
    if (step < warmupSteps) return warmup(step, warmupSteps)
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
    const factor = Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
    return minRatio + (1 - minRatio) * factor
  }
}

/**
 * Warm-up (from `minRatio`, as transformers has it), stable, decay: a cosine to `minRatio` over the last `decaySteps`.
 *
 * @example
 * ```ts
 * import { wsdSchedule } from 'tritune/core'
 *
 * const factor = wsdSchedule({ warmupSteps: 2, decaySteps: 4, totalSteps: 20 })
 * console.log(factor(1), factor(10)) // → 0.5 1
 * ```
 */
export function wsdSchedule({
  warmupSteps = 0,
  totalSteps,
  decaySteps,
  minRatio = 0,
}: ScheduleOptions & { readonly decaySteps: number; readonly minRatio?: number }): Schedule {
  const stableEnd = totalSteps - decaySteps
  return (step) => {
    if (step < warmupSteps) return minRatio + (1 - minRatio) * warmup(step, warmupSteps)
    if (step < stableEnd) return 1
    const progress = Math.min(1, (step - stableEnd) / Math.max(1, decaySteps))
    return minRatio + (1 - minRatio) * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
  }
}
