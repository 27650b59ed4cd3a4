/**
 * Finished runs in a folder, one file each: a bench that was cut goes on where it was. A run is found again by its settings and by the sources that it was made
 * from; one whose sources have changed since is made anew.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { type JsonValue, TrituneError } from '../../../core/mod.ts'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { fileError } from '../../../core/files/files.ts'
import type { Outcome } from './train-once.ts'

/** What tells a run from others. */
export type RunSettings = Readonly<Record<string, JsonValue>>

/** A run that was asked for, finished or failed. */
export interface ListedRun {
  readonly settings: RunSettings
  readonly version: string
  readonly isNew: boolean
  readonly outcome: Outcome
}

/** Runs of one bench. */
export interface RunCache {
  /** The one that is there, or a new one. Throws E_FORMAT for a file that is no run. */
  outcome(settings: RunSettings, version: string, make: () => Outcome): Outcome
  /** All that were asked for, in their order. */
  readonly runs: readonly ListedRun[]
}

/** Nothing is made here, and it is not there. */
export class MissingRun extends Error {}

/** `isComplete`: what is not there is not made but a MissingRun. */
export function createRunCache(
  folder: string,
  { isComplete = false }: { readonly isComplete?: boolean } = {},
): RunCache {
  const runs: ListedRun[] = []
  const seen = new Set<string>()
  return {
    runs,
    outcome(settings, version, make) {
      const name = fileName(settings, version)
      const path = join(folder, name)
      const found = existsSync(path) ? readRun(path) : null
      if (found === null && isComplete) throw new MissingRun(JSON.stringify(settings))
      const outcome = found ?? make()
      if (found === null)
        writeFileAtomic(path, `${JSON.stringify({ settings, version, outcome: written(outcome) })}\n`)
      if (!seen.has(name)) runs.push({ settings, version, isNew: found === null, outcome })
      seen.add(name)
      return outcome
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function fileName(settings: RunSettings, version: string): string {
  const sorted = Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify([version, sorted]))
  return `${hash.digest('hex').slice(0, 24)}.json`
}

/** JSON knows no Infinity. */
const loss = v.pipe(
  v.nullable(v.number()),
  v.transform((value) => value ?? Infinity),
)

const RUN = v.object({
  outcome: v.object({
    chosenBy: loss,
    reported: loss,
    probed: loss,
    forwards: v.number(),
    backwards: v.number(),
    seconds: v.number(),
    cpuSeconds: v.number(),
    kept: v.number(),
    predicted: v.number(),
    losses: v.array(loss),
    gradNorms: v.array(loss),
    failure: v.nullable(v.string()),
  }),
})

function written(outcome: Outcome): JsonValue {
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
  return {
    ...outcome,
    chosenBy: finite(outcome.chosenBy),
    reported: finite(outcome.reported),
    probed: finite(outcome.probed),
    losses: outcome.losses.map(finite),
    gradNorms: outcome.gradNorms.map(finite),
  }
}

function readRun(path: string): Outcome {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
  const parsed = v.safeParse(RUN, jsonOf(text))
  if (parsed.success) return parsed.output.outcome
  throw new TrituneError('E_FORMAT', `${path} is not a run of bench predictive`, {
    remedy: 'delete the file, and the run is made again',
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
