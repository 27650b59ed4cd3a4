/**
 * The runs that the page lists, each under an id that is no path: what a request names is looked up here and never opened by its name.
 */
import { createHash } from 'node:crypto'
import { basename, relative, resolve } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { listRuns, type RunStatus } from '../../runs/mod.ts'

/** A run as the page lists it. */
export interface CatalogueEntry {
  readonly id: string
  readonly name: string
  /** From the working folder. */
  readonly folder: string
  readonly status: RunStatus
  readonly step: number
  readonly totalSteps: number
  readonly loss: number | null
  readonly model: string
  readonly startedAt: string
}

export interface RunCatalogue {
  /** The newest first; looked up anew when that was long ago. */
  list(): readonly CatalogueEntry[]
  /** Throws E_NAME when there is no such run. */
  folderOf(id: string): string
}

/** The id of the run in a folder. */
export function runIdOf(folder: string): string {
  return createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 12)
}

export function openRunCatalogue(roots: readonly string[]): RunCatalogue {
  let entries: readonly CatalogueEntry[] = []
  let goodUntil = 0
  const look = (): void => {
    const began = Date.now()
    entries = listRuns(roots).map(({ folder, run }) => ({
      id: runIdOf(folder),
      name: run.run_name || basename(resolve(folder)),
      folder: relative(process.cwd(), folder) || '.',
      status: run.status,
      step: run.current_step,
      totalSteps: run.total_steps,
      loss: run.current_loss,
      model: run.model,
      startedAt: run.started_at,
    }))
    // Of very many runs the list is a little older, so that looking never takes more than a twentieth of the time.
    const now = Date.now()
    goodUntil = now + Math.max(FRESH_MS, 20 * (now - began))
  }
  return {
    list() {
      if (Date.now() >= goodUntil) look()
      return entries
    },
    folderOf(id) {
      const find = (): CatalogueEntry | undefined => entries.find((entry) => entry.id === id)
      if (find() === undefined) look()
      const found = find()
      if (found) return found.folder
      throw new TrituneError('E_NAME', 'there is no such run', {
        place: roots.join(', '),
        remedy: 'its folder may have been moved: look at the list again',
      })
    },
  }
}

const FRESH_MS = 900
