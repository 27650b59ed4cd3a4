/**
 * The advisors of a run: what they say of a step goes to the monitors right after it, as events. Nothing of the run is changed.
 */
import type { StepReport } from '../../../core/mod.ts'
import { createAdvisor, pointOf } from '../../advise/mod.ts'
import type { Run } from '../run.ts'
import type { Emitter } from './monitors.ts'

/** An emitter that besides tells what the advisors that the file wants say of a step. Of a run whose examples are made anew for each step the loss tells nothing, so nothing is said. */
export function withAdvice(
  { config, plan, device, rollouts }: Pick<Run, 'config' | 'plan' | 'device' | 'rollouts'>,
  emitter: Emitter,
): Emitter {
  if (config.advise.length === 0 || rollouts !== null) return emitter
  const advisor = createAdvisor({
    only: config.advise,
    warmupSteps: plan.warmupSteps,
    peakRate: () => plan.rate.rate,
  })
  return {
    ...emitter,
    emit(event) {
      emitter.emit(event)
      if (event.type !== 'step') return
      const point = { ...pointOf(event.report), memoryPart: memoryPart(event.report, device) }
      for (const said of advisor.onStep(point)) emitter.emit(said)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Also what is kept for reuse: nobody else can have it. */
function memoryPart({ memory }: StepReport, { capacity }: Run['device']): number | null {
  return memory === null || capacity === undefined ? null : (memory.live + memory.pooled) / capacity
}
