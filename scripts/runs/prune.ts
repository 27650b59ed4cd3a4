/**
 * `runs prune`: removes runs that nobody wants, or the checkpoints of runs that have ended. Nothing is removed without --yes, and never a run that is at work.
 */
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
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
import { isUnfinished, type ListedRun, type RunIndex } from '../../plugins/runs/mod.ts'
import { writeJson } from '../_json-lines.ts'
import { err, out } from '../_streams.ts'
import { nearPath } from './list.ts'

export interface PruneOptions {
  readonly folders: readonly string[]
  readonly status: readonly string[]
  /** So many of the newest stay. */
  readonly keep: number
  /** Only those that began before. */
  readonly before: Date | null
  /** Only checkpoints, which are there to resume from. */
  readonly checkpoints: boolean
  readonly yes: boolean
  readonly json: boolean
}

export async function pruneRunsCommand(index: RunIndex, options: PruneOptions): Promise<void> {
  const { folders, checkpoints, yes, json } = options
  index.refresh(folders.length === 0 ? ['.'] : folders)
  const chosen = chosenRuns(index.runs(), options).flatMap((run) => {
    const paths = checkpoints
      ? listCheckpoints(run.folder).map(({ folder }) => folder)
      : runFilesIn(run.folder)
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
  const all = `${counted(chosen.length, 'run')}, ${formatBytes(sum(chosen.map(({ bytes }) => bytes)))}${checkpoints ? ' of checkpoints' : ''}`
  out.write(yes ? `removed: ${all}\n` : `would remove: ${all}; with --yes it is done\n`)
}

/** Those that all conditions hold for; never one that is at work. */
export function chosenRuns(
  all: readonly ListedRun[],
  { status, keep, before }: Pick<PruneOptions, 'status' | 'keep' | 'before'>,
): ListedRun[] {
  return all.slice(keep).filter(({ run }) => {
    if (isUnfinished(run)) return false
    if (status.length > 0 && !status.includes(run.status)) return false
    return before === null || Date.parse(run.started_at) < before.getTime()
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Under the lock of the run: one that began meanwhile has it. */
async function remove(folder: string, checkpoints: boolean): Promise<void> {
  {
    using _lock = await lockOutputDir(folder)
    if (checkpoints) for (const checkpoint of listCheckpoints(folder)) removeFolderAtomic(checkpoint.folder)
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
