/**
 * Records that train nothing: pairs of answers that a type would read as something else are refused, and too large a part
 * of records with nothing to learn stops a run.
 */
import { ConfigError } from '../../../core/contracts/config.ts'
import type { ConfigFailure } from '../../../core/contracts/config.ts'
import { untrainedLines } from './dataset-report.ts'
import { placeOfRecord, recordError } from '../types/dataset-type.ts'
import type { DataRecord } from '../types/dataset-type.ts'
import type { UntrainedExample } from './length-policy.ts'

/** Types that would leave the two answers of a pair aside. */
const READS_ANSWERS = new Set(['alpaca', 'chat_template', 'sharegpt'])

/** Throws E_DATA with `file:line`. */
export function refusePreferences({ value, source }: DataRecord, type: string): void {
  if (!READS_ANSWERS.has(type)) return
  if (value['chosen'] === undefined || value['rejected'] === undefined) return
  throw recordError(
    source,
    `the record is a pair of answers ("chosen" and "rejected"), which type: ${type} does not train`,
    'set rl: dpo (or orpo, simpo) and a type of preferences: docs/preferences.md; or write the chosen answer where the type expects one, without these keys',
  )
}

/** What of an entry counts. */
export interface SkippedPart {
  readonly untrained: readonly UntrainedExample[]
  readonly records: number
}

/** Throws a ConfigError at the entries of which more than `limit` is skipped. */
export function checkSkipped(
  key: 'datasets' | 'test_datasets',
  entries: readonly SkippedPart[],
  limit: number,
): void {
  const failures = entries.flatMap(({ untrained, records }, i): ConfigFailure[] => {
    // Pieces of one record count once.
    const skipped = new Set(untrained.map(placeOfRecord)).size
    if (skipped <= limit * records) return []
    const share = `${((100 * skipped) / records).toFixed(1)} %`
    return [
      {
        code: 'E_DATA',
        path: [key, i],
        what: `${skipped} of ${records} records (${share}) have nothing to learn: ${untrainedLines(untrained).join('; ')}`,
        remedy: `check type and the fields of the dataset, or allow it with max_skipped_share: ${Math.ceil((100 * skipped) / records) / 100}`,
      },
    ]
  })
  if (failures.length > 0) throw new ConfigError(failures)
}
