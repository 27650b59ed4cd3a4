/**
 * How the learning rate of a run was changed while it went, for people: two runs of the same settings may differ in that alone.
 */
import type { RunRecord } from '../record/run-record.ts'
import { shortNumber } from './short-number.ts'

/**
 * Empty where it was not changed.
 *
 * @example
 * ```ts
 * import { rateChangesText } from 'tritune/plugins/runs'
 *
 * console.log(rateChangesText({ learning_rate_changes: [{ step: 12, from: 1e-3, to: 5e-4 }] })) // → 0.001 → 0.0005 after step 12
 * ```
 */
export function rateChangesText({
  learning_rate_changes: changes,
}: Pick<RunRecord, 'learning_rate_changes'>): string {
  return changes
    .map(({ step, from, to }) => `${shortNumber(from)} → ${shortNumber(to)} after step ${step}`)
    .join(', ')
}
