/**
 * What a record says under a name, for rewards that compare with it.
 */
import { didYouMean, TrituneError } from '../../../core/mod.ts'

/** E_DATA when it has no such field. */
export function fieldOf(record: Readonly<Record<string, unknown>>, field: string, reward: string): unknown {
  const value = record[field]
  if (value !== undefined && value !== null) return value
  throw new TrituneError(
    'E_DATA',
    `the reward ${reward} needs "${field}" of a record that has none; ${didYouMean(field, Object.keys(record))}`,
    { remedy: `give every record of the dataset "${field}", or set field: of the reward` },
  )
}
