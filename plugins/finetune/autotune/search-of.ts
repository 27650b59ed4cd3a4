/**
 * The branches that a run can afford for its search, and what they are judged by: known before there are weights.
 */
import { planSearch, type SearchPlan } from '../../autotune/mod.ts'
import type { Run } from '../run.ts'
import { type Probe, probeOf } from './probe.ts'

/** Forward alone costs about half of a step with an adapter, a third without: counted as a half. */
export const MEASUREMENT = 0.5

/** Of `micro_batch_size: auto`, at most: two of each of four sizes, and twice the noise. */
export const MEASURED_STEPS = 12

/** Throws E_CONFIG for a run that is too short, E_DATA where nothing is left to judge by. `spent`: steps that something else took of the share. */
export function searchOf(
  run: Pick<Run, 'plan' | 'data' | 'config'>,
  spent = 0,
): { readonly plan: SearchPlan; readonly probe: Probe } {
  const { totalSteps } = run.plan
  const measurement = MEASUREMENT * probeOf(run, 0).windows
  const plan = planSearch({ totalSteps, measurement, spent })
  return { plan, probe: probeOf(run, plan.fineSteps) }
}
