/**
 * The error that a call must throw.
 */
import { TrituneError } from '../../../core/mod.ts'

export function thrown(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
