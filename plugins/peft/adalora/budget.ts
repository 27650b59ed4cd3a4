/**
 * The budget of AdaLoRA: how many directions all layers together may have at a step, as PEFT's RankAllocator counts it.
 */

/** When directions are given up, as PEFT's `AdaLoraConfig` names it. Steps count from 1. */
export interface BudgetSchedule {
  /** Steps with all directions. */
  readonly tinit: number
  /** Last steps, in which the directions stay as they are. */
  readonly tfinal: number
  /** Steps between two choices. */
  readonly deltaT: number
  /** Steps of the run. */
  readonly total_step: number
}

/** What happens after a step. */
export interface BudgetStep {
  /** The importance of every number is brought up to date. */
  readonly watches: boolean
  /** So many directions are kept from now on; null: as before. */
  readonly keep: number | null
  /** What was given up is set to zero again, and the importance is forgotten. */
  readonly isFinal: boolean
}

/** From `all` directions to `target` along a cubic curve. */
export function budgetAt(
  step: number,
  { tinit, tfinal, deltaT, total_step: total }: BudgetSchedule,
  { all, target }: { readonly all: number; readonly target: number },
): BudgetStep {
  const last = total - tfinal
  if (step > last) return { watches: false, keep: null, isFinal: false }
  if (step === last) return { watches: false, keep: target, isFinal: true }
  if (step <= tinit || step % deltaT !== 0) return { watches: true, keep: null, isFinal: false }
  const rest = 1 - (step - tinit) / (last - tinit)
  return { watches: true, keep: Math.trunc((all - target) * rest ** 3 + target), isFinal: false }
}
