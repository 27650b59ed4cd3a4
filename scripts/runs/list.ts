/**
 * `runs list`: the runs of a project, of some folders, or of this machine, the newest first.
 */
import { relative } from 'node:path'
import type { ListedRun, RunIndex } from '../../plugins/runs/mod.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { out } from '../terminal/streams.ts'
import { distinctRuns, expectFolders, runsBelow } from './below.ts'
import { numberText, textTable } from './table.ts'

export interface ListOptions {
  /** Only the runs at or below these; none: the current folder. */
  readonly folders: readonly string[]
  /** Every run that is known, wherever it lies. */
  readonly all: boolean
  /** Only those with one of these; none: all. */
  readonly status: readonly string[]
  readonly json: boolean
}

export function listRunsCommand(index: RunIndex, { folders, all, status, json }: ListOptions): void {
  expectFolders(folders)
  const below = folders.length === 0 ? ['.'] : folders
  index.refresh(below)
  const known = all ? distinctRuns(index.runs()) : runsBelow(index.runs(), below)
  const found = known.filter(({ run }) => status.length === 0 || status.includes(run.status))
  if (json) {
    writeJson({ type: 'runs', index: index.path, runs: found.map(({ folder, run }) => ({ folder, ...run })) })
    return
  }
  if (found.length === 0) return void out.write(`${noneText({ folders, all, status })}\n`)
  const rows = [
    ['run', 'status', 'step', 'loss', 'best eval', 'tokens/s', 'started', 'folder'],
    ...found.map(row),
  ]
  out.write(`${textTable(rows, [2, 3, 4, 5]).join('\n')}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function noneText({ folders, all, status }: Omit<ListOptions, 'json'>): string {
  const what = status.length === 0 ? 'runs' : `runs that are ${status.join(' or ')}`
  if (all) return `no ${what} are known`
  return folders.length === 0
    ? `there are no ${what} below this folder; --all lists those of other folders`
    : `there are no ${what} below ${folders.join(', ')}`
}

function row({ folder, run }: ListedRun): string[] {
  return [
    run.run_name,
    run.status,
    `${run.current_step}/${run.total_steps}`,
    numberText(run.current_loss),
    numberText(run.best_loss),
    run.tokens_per_second === null ? '' : run.tokens_per_second.toFixed(0),
    run.started_at.slice(0, 16).replace('T', ' '),
    nearPath(folder),
  ]
}

/** From here, where that is shorter. */
export function nearPath(folder: string): string {
  const near = relative(process.cwd(), folder)
  return near !== '' && near.length < folder.length ? near : folder
}
