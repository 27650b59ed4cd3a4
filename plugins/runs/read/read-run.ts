/**
 * A run as its folder tells it: the record, and the lines of its files.
 *
 * The process of a run can end without a word (SIGKILL, a machine that stops): then run.json says `running` for ever. Where it can be seen that the process is
 * gone, the run is told as failed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { errorCode, fileError } from '../../../core/files/files.ts'
import { TrituneError } from '../../../core/mod.ts'
import { parsedLines } from '../files/line-follower.ts'
import { isUnfinished, parseRunRecord, RUN_RECORD_FILE, type RunRecord } from '../record/run-record.ts'
import { RUN_LINES, type RunLines } from '../record/run-lines.ts'
import { lineOf } from './line-of.ts'

/** True of a folder that a run wrote into, of this or an earlier version. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, RUN_RECORD_FILE)) || existsSync(join(folder, RUN_LINES.metrics))
}

/**
 * The record of a run. One of before there was run.json has what its metrics.jsonl tells.
 *
 * @throws E_FILE: no run is there, or its files cannot be read
 * @example
 * ```ts
 * import { listRuns, readRun, readRunLines } from 'tritune/plugins/runs'
 *
 * for (const { folder } of listRuns(['./outputs'])) {
 *   const { run_name, status, current_step, total_steps } = readRun(folder)
 *   console.log(run_name, status, `${current_step}/${total_steps}`, readRunLines(folder, 'metrics').at(-1)?.loss)
 * }
 * ```
 */
export function readRun(folder: string): RunRecord {
  return markedIfGone(readRecord(folder), folder)
}

/** The record as the files have it: of a run whose process is gone, what it last said. */
export function readRecord(folder: string): RunRecord {
  const text = textOf(join(folder, RUN_RECORD_FILE))
  if (text === null) return recordOfMetrics(folder)
  const record = parseRunRecord(jsonOf(text))
  return { ...record, run_name: record.run_name || nameOf(folder) }
}

/**
 * The record of a run that is at work by what it last said, and whose process is gone: completed where it left its mark of that, else failed. Any other as it is.
 */
export function markedIfGone(record: RunRecord, folder: string): RunRecord {
  if (!isUnfinished(record) || !isGone(record)) return record
  // The disk may have been full for the record alone.
  if (existsSync(join(folder, FINISHED)))
    return { ...record, status: 'completed', ended_at: record.updated_at }
  return {
    ...record,
    status: 'failed',
    ended_at: record.updated_at,
    error_message: 'the process ended without a word: it was killed, or the machine stopped',
  }
}

/** All whole lines of one of the files of a run; none where it is not there. */
export function readRunLines<K extends keyof RunLines>(folder: string, kind: K): RunLines[K][] {
  const text = textOf(join(folder, RUN_LINES[kind])) ?? ''
  return parsedLines(text.slice(0, text.lastIndexOf('\n') + 1)).flatMap((line) => lineOf(kind, line) ?? [])
}

/** The last thing that the trainer writes, and the first that it removes. */
const FINISHED = 'finished.json'

// ---- helpers ----------------------------------------------------------------------------------------------------

function recordOfMetrics(folder: string): RunRecord {
  if (!isRun(folder))
    throw new TrituneError(
      'E_FILE',
      `there is no run here: neither ${RUN_RECORD_FILE} nor ${RUN_LINES.metrics}`,
      {
        place: folder,
        remedy: 'name the output_dir of a run',
      },
    )
  const lines = readRunLines(folder, 'metrics')
  const last = lines.findLast(({ loss }) => loss !== undefined)
  const best = lines
    .filter(({ eval_loss: loss }) => typeof loss === 'number')
    .toSorted((a, b) => Number(a.eval_loss) - Number(b.eval_loss))
    .at(0)
  return parseRunRecord({
    run_id: nameOf(folder),
    run_name: nameOf(folder),
    // Whether one of then is still at work cannot be told.
    status: existsSync(join(folder, FINISHED)) ? 'completed' : 'cancelled',
    current_step: last?.step,
    total_steps: last?.step,
    current_loss: last?.loss,
    learning_rate: last?.learning_rate,
    tokens_per_second: last?.tokens_per_second,
    best_loss: best?.eval_loss,
    best_step: best?.step,
  })
}

function nameOf(folder: string): string {
  return basename(resolve(folder))
}

/** What `text` holds; a file that was cut off by a full disk or a crash holds nothing. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw fileError(error, path, 'cannot read')
  }
}

/** Of this machine alone it can be told. */
function isGone({ pid, host, updated_at: updated }: RunRecord): boolean {
  if (pid === null || host !== hostname()) return false
  // Since then the machine was started anew, and the number may be that of another process.
  if (Date.parse(updated) < Date.now() - 1000 * uptime()) return true
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return errorCode(error) === 'ESRCH'
  }
}
