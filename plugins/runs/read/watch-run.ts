/**
 * Follows a run while it goes: its record, and the lines of its files as they come.
 *
 * It looks every so often; nothing of the run knows of it, and any number of watchers, in any process, may look at one run.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { followLines } from '../files/line-follower.ts'
import { RUN_LINES, type RunLines } from '../record/run-lines.ts'
import { RUN_RECORD_FILE, type RunRecord } from '../record/run-record.ts'
import { lineOf } from './line-of.ts'
import { readRun } from './read-run.ts'

/** What is new since the last change. */
export interface RunChange {
  /** As it is now. */
  readonly run: RunRecord
  readonly metrics: readonly RunLines['metrics'][]
  readonly events: readonly RunLines['events'][]
  readonly histograms: readonly RunLines['histograms'][]
  /** Files that began anew: a watcher drops what it had of them. A resumed run cuts its files back to its checkpoint. */
  readonly anew: readonly (keyof RunLines)[]
}

/** How often to look, and who is told when that fails. */
export interface WatchRunOptions {
  /** Default: 250. */
  readonly everyMs?: number
  /** The folder is gone, or cannot be read: the watch ends. Default: nobody is told. */
  onError?(error: unknown): void
}

/**
 * Calls `onChange` with all that is there, at once, and then with what is new, until it is disposed. The process may end meanwhile.
 *
 * @throws E_FILE: no run is there
 * @example
 * ```ts
 * import { watchRun } from 'tritune/plugins/runs'
 *
 * using watch = watchRun('./my-run', ({ run, metrics }) => {
 *   for (const { step, loss } of metrics) console.log(run.run_name, step, loss)
 * })
 * ```
 */
export function watchRun(
  folder: string,
  onChange: (change: RunChange) => void,
  { everyMs = 250, onError = () => {} }: WatchRunOptions = {},
): Disposable {
  const metrics = linesOf(folder, 'metrics')
  const events = linesOf(folder, 'events')
  const histograms = linesOf(folder, 'histograms')
  let before = ''
  const look = (): void => {
    // The record is read last: it is then at least as new as the lines.
    const found = { metrics: metrics(), events: events(), histograms: histograms() }
    const run = readRun(folder)
    const now = `${run.status} ${stampOf(folder)}`
    const anew = (['metrics', 'events', 'histograms'] as const).filter((kind) => found[kind].anew)
    const isNew =
      Object.values(found).some(({ lines }) => lines.length > 0) || anew.length > 0 || now !== before
    before = now
    if (!isNew) return
    onChange({
      run,
      metrics: found.metrics.lines,
      events: found.events.lines,
      histograms: found.histograms.lines,
      anew,
    })
  }
  look()
  const timer = setInterval(() => {
    try {
      look()
    } catch (error) {
      clearInterval(timer)
      onError(error)
    }
  }, everyMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Found<K extends keyof RunLines> {
  readonly lines: readonly RunLines[K][]
  readonly anew: boolean
}

function linesOf<K extends keyof RunLines>(folder: string, kind: K): () => Found<K> {
  const follower = followLines(join(folder, RUN_LINES[kind]))
  return () => {
    const { lines, anew } = follower.look()
    return { lines: lines.flatMap((line) => lineOf(kind, line) ?? []), anew }
  }
}

/** Which run.json it is: it is replaced, never changed. */
function stampOf(folder: string): string {
  const stat = statSync(join(folder, RUN_RECORD_FILE), { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : ''
}
