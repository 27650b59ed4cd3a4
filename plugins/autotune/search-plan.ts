/**
 * What a search of the learning rate may cost: branches of so many steps that they and their measurements stay below a share of the run.
 */
import { type Schedule, TrituneError } from '../../core/mod.ts'

/** The share of a run that its search may take. */
export const MOST_OF_RUN = 0.15

/** Rates of the first round, a factor of 4 apart. */
export const COARSE_RATES = 5

/** Rates of the second round, a factor of 2 apart, each of twice as many steps. */
const FINE_RATES = 3

/** A branch of one step tells nothing of an annealed run. */
const FEWEST_STEPS = 2

/** What the cost of a search depends on. */
export interface SearchPlanOptions {
  /** Steps of the run. */
  readonly totalSteps: number
  /** What one measurement costs, in steps of the run. */
  readonly measurement: number
  /** Steps that were made for other measurements before. */
  readonly spent?: number
}

/** How many steps each branch of the two rounds gets. */
export interface SearchPlan {
  readonly coarseSteps: number
  readonly fineSteps: number
  /** Of the run, at most, when no branch diverges; measurements included. */
  readonly share: number
}

/**
 * The longest branches that the share allows. Throws E_CONFIG when the run is too short for any.
 *
 * @example
 * ```ts
 * import { planSearch } from 'tritune/plugins/autotune'
 *
 * const { coarseSteps, fineSteps, share } = planSearch({ totalSteps: 1000, measurement: 0.5 })
 * console.log(coarseSteps, fineSteps, share <= 0.15) // → 13 26 true
 * ```
 */
export function planSearch({ totalSteps, measurement, spent = 0 }: SearchPlanOptions): SearchPlan {
  const measured = spent + (1 + COARSE_RATES + FINE_RATES) * measurement
  const perStep = COARSE_RATES + 2 * FINE_RATES
  const coarseSteps = Math.floor((MOST_OF_RUN * totalSteps - measured) / perStep)
  if (coarseSteps < FEWEST_STEPS) {
    const needed = Math.ceil((perStep * FEWEST_STEPS + measured) / MOST_OF_RUN)
    throw new TrituneError(
      'E_CONFIG',
      `a search takes at most ${100 * MOST_OF_RUN} % of the run, which of ${totalSteps} steps is too few: it needs a run of ${needed}`,
      { remedy: 'give learning_rate as a number, or make more steps (num_epochs, max_steps)' },
    )
  }
  return {
    coarseSteps,
    fineSteps: 2 * coarseSteps,
    share: (perStep * coarseSteps + measured) / totalSteps,
  }
}

/**
 * Factor on the rate of each step of a branch: a short warm-up, then a line that would reach 0 after the last step.
 *
 * @example
 * ```ts
 * import { branchSchedule } from 'tritune/plugins/autotune'
 *
 * console.log([0, 1, 2, 3].map(branchSchedule(4))) // → [ 1, 0.75, 0.5, 0.25 ]
 * ```
 */
export function branchSchedule(steps: number): Schedule {
  const warm = Math.floor(steps / 10)
  return (step) => (step < warm ? (step + 1) / (warm + 1) : (steps - step) / (steps - warm))
}
