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

/** What tells a run from others. */
export type RunSettings = Readonly<Record<string, JsonValue>>

/** A run that was asked for, finished or failed. */
export interface ListedRun<T> {
  readonly settings: RunSettings
  readonly version: string
  readonly isNew: boolean
  readonly outcome: T
}

/** Runs of one bench. */
export interface RunCache<T> {
  /** The one that is there, or a new one; each is listed once. Throws E_FORMAT for a file that is no run. */
  run(settings: RunSettings, version: string, make: () => T): ListedRun<T>
  /** All that were asked for, in their order. */
  readonly runs: readonly ListedRun<T>[]
}

/** Nothing is made here, and it is not there. */
export class MissingRun extends Error {}

/** Options of `createRunCache()`. */
export interface RunCacheOptions<T> {
  /** Of the outcomes; a number that may be infinite is a `maybeInfinite`. */
  readonly outcome: v.GenericSchema<unknown, T>
  /** What is not there is not made but a MissingRun. */
  readonly isComplete?: boolean
}

/** A number of an outcome; JSON knows no Infinity, which is null there. */
export const maybeInfinite: v.GenericSchema<unknown, number> = v.pipe(
  v.nullable(v.number()),
  v.transform((value) => value ?? Infinity),
)

/** `folder: null`: runs are kept as long as the process. */
export function createRunCache<T>(
  folder: string | null,
  { outcome: schema, isComplete = false }: RunCacheOptions<T>,
): RunCache<T> {
  const runs = new Map<string, ListedRun<T>>()
  return {
    get runs() {
      return [...runs.values()]
    },
    run(settings, version, make) {
      const name = fileName(settings, version)
      const known = runs.get(name)
      if (known !== undefined) return known
      const path = folder === null ? null : join(folder, name)
      const found = path !== null && existsSync(path) ? readOutcome(path, schema) : null
      if (found === null && isComplete) throw new MissingRun(JSON.stringify(settings))
      const outcome = found === null ? make() : found.outcome
      if (found === null && path !== null)
        writeFileAtomic(path, `${JSON.stringify({ settings, version, outcome }, finiteOnly)}\n`)
      const listed = { settings, version, isNew: found === null, outcome }
      runs.set(name, listed)
      return listed
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function fileName(settings: RunSettings, version: string): string {
  const sorted = Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify([version, sorted]))
  return `${hash.digest('hex').slice(0, 24)}.json`
}

function finiteOnly(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value
}

function readOutcome<T>(path: string, schema: v.GenericSchema<unknown, T>): { readonly outcome: T } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
  const parsed = v.safeParse(v.object({ outcome: schema }), jsonOf(text))
  if (parsed.success) return { outcome: parsed.output.outcome }
  throw new TrituneError('E_FORMAT', `${path} is not a finished run: ${v.summarize(parsed.issues)}`, {
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
