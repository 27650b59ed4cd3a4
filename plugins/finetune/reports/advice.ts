/**
 * The advisors of a run: what they say of a step goes to the monitors right after it, as events. Nothing of the run is changed.
 */
import { createAdvisor, pointOf } from '../../advise/mod.ts'
import type { Run } from '../run.ts'
import type { Emitter } from './monitors.ts'

/** An emitter that besides tells what the advisors that the file wants say of a step. */
export function withAdvice({ config, plan }: Pick<Run, 'config' | 'plan'>, emitter: Emitter): Emitter {
  if (config.advise.length === 0) return emitter
  const advisor = createAdvisor({ only: config.advise, warmupSteps: plan.warmupSteps })
  return {
    ...emitter,
    emit(event) {
      emitter.emit(event)
      if (event.type === 'step') for (const said of advisor.onStep(pointOf(event.report))) emitter.emit(said)
    },
  }
}
