/**
 * `adam_beta2_half_life`: β₂ from the tokens of a step, which are known when the examples are. The run is then as if its file had said the number.
 */
import { betaOfHalfLife } from '../../autotune/mod.ts'
import type { LoadedDataset } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { formatCount } from '../reports/format.ts'
import type { Plan } from './plan.ts'

/** The same configuration where nothing is asked for. */
export function withHalfLife(
  config: FinetuneConfig,
  {
    plan,
    data,
  }: { readonly plan: Pick<Plan, 'stepsPerEpoch'>; readonly data: Pick<LoadedDataset, 'report'> },
): FinetuneConfig {
  const { adam_beta2_half_life: halfLife } = config
  if (halfLife === null) return config
  const tokens = data.report.train.tokens / plan.stepsPerEpoch
  const beta2 = betaOfHalfLife(halfLife, tokens)
  const note = `adam_beta2_half_life: adam_beta2 is ${beta2.toPrecision(6)}, as a step has ${formatCount(Math.round(tokens))} tokens`
  return { ...config, adam_beta2: beta2, notes: [...config.notes, note] }
}
