/**
 * Learning-rate schedules: pure functions from a 0-based step to a factor on the peak rate, equal to transformers'
 * `get_*_schedule_with_warmup`.
 */

export type Schedule = (step: number) => number

/** How `cosineSchedule()` goes. */
export interface CosineOptions extends ScheduleOptions {
  readonly minRatio?: number
  /** Waves; default: half a one. */
  readonly cycles?: number
  /** The part of all steps after which it stays; default: all of them. */
  readonly constantRatio?: number
  /** The warm-up is a parabola, as axolotl's `lr_quadratic_warmup` has it. */
  readonly quadratic?: boolean
}

/** How a warm-up or a decay goes: see `wsdSchedule()`. */
export type RampType = 'linear' | 'cosine' | '1-sqrt'

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
 * A cosine from 1 to `minRatio`, by default half a wave.
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
  cycles = 0.5,
  constantRatio = 1,
  quadratic = false,
}: CosineOptions): Schedule {
  const end = Math.floor(totalSteps * constantRatio)
  return (step) => {
    if (step < warmupSteps) return warmup(step, warmupSteps) ** (quadratic ? 2 : 1)
    const at = constantRatio < 1 ? Math.min(step, end) : step
    const progress = (at - warmupSteps) / Math.max(1, end - warmupSteps)
    const factor = Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)))
    return minRatio + (1 - minRatio) * factor
  }
}

/** The form of `wsdSchedule()`. */
export interface WsdOptions extends ScheduleOptions {
  readonly decaySteps: number
  /** Steps between; default: what warm-up and decay leave of all. */
  readonly stableSteps?: number
  readonly minRatio?: number
  readonly warmupType?: RampType
  readonly decayType?: RampType
  /** Waves of a cosine decay. */
  readonly cycles?: number
}

/**
 * Warm-up (from `minRatio`, as transformers has it), stable, decay: by default a cosine to `minRatio` over the last `decaySteps`.
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
  stableSteps,
  minRatio = 0,
  warmupType = 'linear',
  decayType = 'cosine',
  cycles = 0.5,
}: WsdOptions): Schedule {
  const stableEnd = stableSteps === undefined ? totalSteps - decaySteps : warmupSteps + stableSteps
  const above = (factor: number): number => Math.max(0, factor * (1 - minRatio) + minRatio)
  return (step) => {
    if (step < warmupSteps) return above(RISES[warmupType](warmup(step, warmupSteps)))
    if (step < stableEnd) return 1
    const progress = (step - stableEnd) / Math.max(1, decaySteps)
    return step < stableEnd + decaySteps ? above(FALLS[decayType](progress, cycles)) : minRatio
  }
}

const RISES: { readonly [K in RampType]: (progress: number) => number } = {
  linear: (progress) => progress,
  cosine: (progress) => 0.5 * (1 - Math.cos(Math.PI * progress)),
  '1-sqrt': (progress) => 1 - Math.sqrt(1 - progress),
}

const FALLS: { readonly [K in RampType]: (progress: number, cycles: number) => number } = {
  linear: (progress) => 1 - progress,
  cosine: (progress, cycles) => 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)),
  '1-sqrt': (progress) => 1 - Math.sqrt(progress),
}
