/**
 * `runs prune`: removes runs that nobody wants, or the checkpoints of runs that have ended. Nothing is removed without --yes, never a run that is at work, and
 * none of other folders than those that are named, unless all are asked for.
 */
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { counted } from '../../core/counted.ts'
import { removeFolderAtomic } from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/errors.ts'
import {
  formatBytes,
  listCheckpoints,
  lockOutputDir,
  removeEarlierRun,
  runFilesIn,
} from '../../plugins/finetune/mod.ts'
import { isUnfinished, type ListedRun, readRun, type RunIndex } from '../../plugins/runs/mod.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { err, out } from '../terminal/streams.ts'
import { distinctRuns, expectFolders, runsBelow } from './below.ts'
import { nearPath } from './list.ts'

export interface PruneOptions {
  /** Only the runs at or below these; none: the current folder. */
  readonly folders: readonly string[]
  /** Every run that is known, wherever it lies. */
  readonly all: boolean
  readonly status: readonly string[]
  /** So many of the newest that have ended stay. */
  readonly keep: number
  /** Only those that began before. */
  readonly before: Date | null
  /** Only checkpoints that nobody needs to resume from. */
  readonly checkpoints: boolean
  readonly yes: boolean
  readonly json: boolean
}

export async function pruneRunsCommand(index: RunIndex, options: PruneOptions): Promise<void> {
  const { all, checkpoints, yes, json } = options
  const folders = options.folders.length === 0 ? ['.'] : options.folders
  expectFolders(folders)
  index.refresh(folders)
  const known = all ? distinctRuns(index.runs()) : runsBelow(index.runs(), folders)
  const chosen = chosenRuns(known, options).flatMap((run) => {
    const paths = checkpoints ? needlessCheckpoints(run) : runFilesIn(run.folder)
    return paths.length === 0 ? [] : [{ ...run, bytes: sum(paths.map(bytesOf)) }]
  })
  const removed: string[] = []
  if (yes)
    for (const { folder } of chosen) {
      try {
        await remove(folder, checkpoints)
        removed.push(folder)
      } catch (error) {
        // The others can go all the same.
        if (!(error instanceof TrituneError)) throw error
        err.write(`left: ${error.message}\n`)
        process.exitCode = 1
      }
    }
  if (yes) index.refresh()
  if (json)
    return writeJson({
      type: 'pruned',
      below: all ? null : folders.map((folder) => resolve(folder)),
      removed,
      runs: chosen.map(({ folder, run, bytes }) => ({
        folder,
        run_id: run.run_id,
        status: run.status,
        bytes,
      })),
    })
  for (const { folder, run, bytes } of chosen)
    out.write(`${formatBytes(bytes).padStart(10)}  ${run.status.padEnd(9)}  ${nearPath(folder)}\n`)
  const what = `${counted(chosen.length, 'run')}, ${formatBytes(sum(chosen.map(({ bytes }) => bytes)))}${checkpoints ? ' of checkpoints' : ''}`
  const where = all
    ? 'of all that are known'
    : options.folders.length === 0
      ? `below ${process.cwd()} (wherever they lie: --all)`
      : `below ${folders.join(', ')}`
  out.write(yes ? `removed: ${what}, ${where}\n` : `would remove: ${what}, ${where}; with --yes it is done\n`)
}

/** Of `all`, the newest first, those that all conditions hold for; never one that is at work. */
export function chosenRuns(
  all: readonly ListedRun[],
  { status, keep, before }: Pick<PruneOptions, 'status' | 'keep' | 'before'>,
): ListedRun[] {
  const ended = all.filter(({ run }) => !isUnfinished(run))
  return ended.slice(keep).filter(({ run }) => {
    if (status.length > 0 && !status.includes(run.status)) return false
    return before === null || Date.parse(run.started_at) < before.getTime()
  })
}

/**
 * The folders of the checkpoints of a run that nobody needs: all of one that came to its end. One that did not can be resumed, which takes the last one, and
 * with `load_best_model_at_end` the best one too.
 */
export function needlessCheckpoints({ folder, run }: ListedRun): string[] {
  const all = listCheckpoints(folder)
  const needed = new Set(
    run.status === 'completed'
      ? []
      : [all.at(-1)?.step, run.config['load_best_model_at_end'] === true ? run.best_step : null],
  )
  return all.filter(({ step }) => !needed.has(step)).map((checkpoint) => checkpoint.folder)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Under the lock of the run: one that began meanwhile has it. */
async function remove(folder: string, checkpoints: boolean): Promise<void> {
  {
    using _lock = await lockOutputDir(folder)
    // As it is now: it may have gone on, and have ended again, since it was looked at.
    if (checkpoints)
      for (const checkpoint of needlessCheckpoints({ folder, run: readRun(folder) }))
        removeFolderAtomic(checkpoint)
    else removeEarlierRun(folder)
  }
  // What is not of a run stays, and so does the folder.
  if (!checkpoints && existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder)
}

function bytesOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return 0
  return stat.isDirectory() ? sum(readdirSync(path).map((name) => bytesOf(join(path, name)))) : stat.size
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0)
}
