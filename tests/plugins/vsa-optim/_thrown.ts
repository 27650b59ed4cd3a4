/** What an error of tritune says, for tests that compare it. */
import { TrituneError } from '../../../core/mod.ts'

/** Code and sentence of what `fn` throws. */
export function thrownBy(fn: () => unknown): [string, string] {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return [error.code, error.what]
    throw error
  }
  throw new Error('nothing was thrown')
}
