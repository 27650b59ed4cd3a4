/**
 * The advisors of a run: what they say of a step goes to the monitors right after it, as events. Nothing of the run is changed.
 */
import { createAdvisor, pointOf } from '../../advise/mod.ts'
import type { Run } from '../run.ts'
import type { Emit } from './monitors.ts'

/** Emits what it is given, and what the advisors that the file wants say of it. */
export function withAdvice({ config, plan }: Pick<Run, 'config' | 'plan'>, emit: Emit): Emit {
  if (config.advise.length === 0) return emit
  const advisor = createAdvisor({ only: config.advise, warmupSteps: plan.warmupSteps })
  return (event) => {
    emit(event)
    if (event.type === 'step') for (const said of advisor.onStep(pointOf(event.report))) emit(said)
  }
}
