/**
 * NaN of one process is E_NAN on all: a strategy may go on from it, and then all go on in the same way. Where none does, it is told once, by a process that found it.
 */
import { TrituneError, type World } from '../../../core/mod.ts'
import { agree } from '../../../core/agree.ts'

/** The E_NAN of a process that found none itself. */
export function nanElsewhere(rank: number): TrituneError {
  const error = new TrituneError('E_NAN', `process ${rank} found a loss that is no number`)
  elsewhere.add(error)
  return error
}

/** Whether there is nothing to be found on this process. */
export function isNaNElsewhere(error: unknown): boolean {
  return error instanceof Error && elsewhere.has(error)
}

/** Work that all processes do, and that gives E_NAN on all of them or on none. */
export function tellingNaNOnce<T>(world: World | null, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof TrituneError && error.code === 'E_NAN')) throw error
    agree(world, () => {
      if (!isNaNElsewhere(error)) throw error
    })
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const elsewhere = new WeakSet<Error>()
