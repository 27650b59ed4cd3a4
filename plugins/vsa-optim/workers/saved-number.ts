/**
 * A number of what a worker saved.
 */
import { jsonField, type JsonValue, TrituneError } from '../../../core/mod.ts'

/** Throws E_RESUME where there is none. */
export function savedNumber(saved: JsonValue, name: string): number {
  const value = jsonField(saved, name)
  if (typeof value === 'number') return value
  throw new TrituneError('E_RESUME', `the checkpoint of a worker has no ${name}`)
}
