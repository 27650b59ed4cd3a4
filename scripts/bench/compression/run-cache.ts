/**
 * Finished runs in a folder, one JSON file each, named by a hash of what the run was of and of what computed it: a benchmark that was cut goes on where it was.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import type { Outcome } from './simulate.ts'

/** All that the numbers of a run depend on, besides the sources. */
export type RunSettings = Readonly<Record<string, string | number>>

export interface RunCache {
  /** The outcome that is kept, or that of `make`, which is kept then. Throws E_FORMAT for a file that is not of this. */
  outcomeOf(
    settings: RunSettings,
    make: () => Outcome,
  ): { readonly outcome: Outcome; readonly isKept: boolean }
}

/** `folder: null`: nothing is kept. `version`: of the sources. */
export function openRunCache(folder: string | null, version: string): RunCache {
  return {
    outcomeOf(settings, make) {
      if (folder === null) return { outcome: make(), isKept: false }
      const key = JSON.stringify({ version, settings: sorted(settings) })
      const path = join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 24)}.json`)
      if (existsSync(path)) return { outcome: read(path), isKept: true }
      const outcome = make()
      writeFileAtomic(path, `${JSON.stringify({ version, settings, outcome }, finiteOnly, 2)}\n`)
      return { outcome, isKept: false }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function read(path: string): Outcome {
  try {
    const { outcome } = JSON.parse(readFileSync(path, 'utf8'))
    const of = (name: keyof Outcome): number => {
      const value: unknown = outcome[name]
      if (typeof value === 'number') return value
      if (value === null) return Infinity
      throw new Error(`there is no number "${name}"`)
    }
    return {
      chosenBy: of('chosenBy'),
      reported: of('reported'),
      sentBytes: of('sentBytes'),
      receivedBytes: of('receivedBytes'),
      denseBytes: of('denseBytes'),
      stepSeconds: of('stepSeconds'),
      codecSeconds: of('codecSeconds'),
      kept: of('kept'),
      backlog: of('backlog'),
    }
  } catch (cause) {
    throw new TrituneError('E_FORMAT', `${path} is not a finished run: ${String(cause)}`, {
      remedy: 'delete the file: that run is made again',
      cause,
    })
  }
}

/** JSON has no Infinity, which is the loss of a run that came to NaN. */
function finiteOnly(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value
}

function sorted(settings: RunSettings): [string, string | number][] {
  return Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
