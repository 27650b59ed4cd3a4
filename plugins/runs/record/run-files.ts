/**
 * The monitor that writes run.json and events.jsonl into the folder of a run. Every run has it.
 *
 * run.json is replaced whole, at most every two seconds while steps go by and at once when something happens; events.jsonl is appended to. A disk that is full, or
 * anything else that makes a write fail, switches the monitor off with a note, as any monitor: the run goes on.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { packageVersion } from '../../../core/invocation.ts'
import type { JsonValue, Monitor, RunEvent, StepReport } from '../../../core/mod.ts'
import { replaceFile } from '../files/replace-file.ts'
import { stepLines } from '../files/step-lines.ts'
import { readRun, readRunLines } from '../read/read-run.ts'
import { gitState } from './git-state.ts'
import { type EventLine, RUN_LINES } from './run-lines.ts'
import { baseRateOf, RUN_RECORD_FILE, type RunRecord } from './run-record.ts'

/** What the trainer tells of a run before its first step. */
export interface RunFacts {
  readonly name: string
  /** What was typed to start it; null: a program did. */
  readonly command: string | null
  readonly config: Readonly<Record<string, JsonValue>>
  readonly model: string
  readonly adapter: string | null
  readonly dataset: readonly string[]
  readonly device: string
}

/** Nothing is written, nor the facts asked for, before the run starts. */
export function createRunFiles(outputDir: string, facts: () => RunFacts): Monitor {
  const path = join(outputDir, RUN_RECORD_FILE)
  const { begin, append } = stepLines<EventLine>(join(outputDir, RUN_LINES.events))
  let record: RunRecord | null = null
  let written = 0
  // What is said before the start, such as why a run was resumed.
  const early: RunEvent[] = []

  const write = (changes: Partial<RunRecord>): void => {
    if (record === null) return
    record = { ...record, ...changes, updated_at: new Date().toISOString() }
    const text = `${JSON.stringify(record, null, 2)}\n`
    // Where the run begins and ends it is waited for the disk.
    if (record.current_step === 0 || record.ended_at !== null) writeFileAtomic(path, text)
    else replaceFile(path, text)
    written = performance.now()
  }
  const tell = (event: RunEvent): void => {
    const line = lineOf(event, record?.current_step ?? 0)
    if (line !== null) append(line)
  }
  return {
    onEvent(event) {
      if (event.type === 'start') {
        record = startOf(outputDir, event, facts())
        begin(event.step)
        for (const one of early.splice(0)) tell(one)
        tell(event)
        return write({})
      }
      if (record === null) {
        if (event.type === 'note') early.push(event)
        return
      }
      if (event.type === 'step') {
        record = { ...record, ...afterStep(record, event.report) }
        if (performance.now() - written >= EVERY_MS || record.current_step === 1)
          write(memoryOf(event.report))
        return
      }
      const changes = changesOf(record, event)
      if (changes !== null) write(changes)
      tell(event)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const EVERY_MS = 2000

/** A resumed run goes on with the record of before; what lies after its checkpoint did not happen. */
function startOf(
  outputDir: string,
  { step, totalSteps }: Extract<RunEvent, { type: 'start' }>,
  { name, command, config, ...facts }: RunFacts,
): RunRecord {
  const before = step > 0 && existsSync(join(outputDir, RUN_RECORD_FILE)) ? readRun(outputDir) : null
  const lines = step > 0 ? readRunLines(outputDir, 'metrics').filter((line) => line.step <= step) : []
  const last = lines.findLast(({ loss }) => typeof loss === 'number')
  // Which one was the best is not always by the loss.
  const events = step > 0 ? readRunLines(outputDir, 'events') : []
  const best = events.findLast(({ type, best: is, step: at }) => type === 'eval' && is === true && at <= step)
  const now = new Date()
  const { commit, branch } = gitState(process.cwd())
  const changes = (before?.learning_rate_changes ?? []).filter((change) => change.step <= step)
  return {
    run_id: before?.run_id || newId(now),
    run_name: name,
    status: 'initializing',
    config,
    config_hash: createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 12),
    command,
    ...facts,
    started_at: before?.started_at || now.toISOString(),
    updated_at: now.toISOString(),
    ended_at: null,
    current_step: step,
    total_steps: totalSteps,
    current_loss: last?.loss ?? null,
    learning_rate: last?.learning_rate ?? null,
    base_learning_rate: baseRateOf(config, changes),
    learning_rate_changes: changes,
    best_loss: typeof best?.['loss'] === 'number' ? best['loss'] : null,
    best_step: best?.step ?? null,
    error_message: null,
    checkpoints: (before?.checkpoints ?? []).filter(
      (saved) => saved.step <= step && isThere(outputDir, saved),
    ),
    total_tokens_trained: lines.reduce((sum, { tokens }) => sum + (tokens ?? 0), 0),
    tokens_per_second: null,
    steps_per_second: null,
    memory: { resident: null, device: null, device_peak: null },
    tritune_version: packageVersion(),
    git_commit: commit,
    git_branch: branch,
    pid: process.pid,
    host: hostname(),
  }
}

/** Sorts by time, and two that start in one second are told apart. */
function newId(now: Date): string {
  return `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`
}

function isThere(outputDir: string, { path }: { readonly path: string }): boolean {
  return existsSync(join(outputDir, path))
}

function afterStep(record: RunRecord, report: StepReport): Partial<RunRecord> {
  const { step, loss, learningRate, tokens, seconds } = report
  // Smoothed, so that one slow step does not shake it.
  const smooth = (before: number | null, now: number): number =>
    before === null ? now : 0.9 * before + 0.1 * now
  return {
    status: record.status === 'initializing' ? 'running' : record.status,
    current_step: step,
    current_loss: finite(loss),
    learning_rate: learningRate,
    total_tokens_trained: record.total_tokens_trained + tokens,
    tokens_per_second: smooth(record.tokens_per_second, tokens / seconds),
    steps_per_second: smooth(record.steps_per_second, 1 / seconds),
  }
}

function memoryOf({ memory }: StepReport): Pick<RunRecord, 'memory'> {
  return {
    memory: {
      resident: process.memoryUsage().rss,
      device: memory?.live ?? null,
      device_peak: memory?.peak ?? null,
    },
  }
}

/** null: nothing of the record changes. */
function changesOf(record: RunRecord, event: RunEvent): Partial<RunRecord> | null {
  switch (event.type) {
    case 'eval':
      return event.best ? { best_loss: finite(event.loss), best_step: event.step } : {}
    case 'save': {
      const saved = {
        step: event.step,
        path: basename(event.folder),
        loss: record.current_loss,
        time: new Date().toISOString(),
      }
      return { checkpoints: [...record.checkpoints.filter(({ step }) => step !== event.step), saved] }
    }
    case 'control':
      return event.ok ? afterControl(record, event) : null
    case 'end':
      return { status: event.result.stopped ? 'cancelled' : 'completed', ended_at: new Date().toISOString() }
    case 'error':
      return { status: 'failed', error_message: event.message, ended_at: new Date().toISOString() }
    default:
      return null
  }
}

function afterControl(
  record: RunRecord,
  { step, action, value, before }: Extract<RunEvent, { type: 'control' }>,
): Partial<RunRecord> {
  if (action === 'pause') return { status: 'paused' }
  if (action === 'resume') return { status: 'running' }
  if (action !== 'set_learning_rate' || value === undefined) return {}
  const change = { step, from: before ?? value, to: value }
  return { base_learning_rate: value, learning_rate_changes: [...record.learning_rate_changes, change] }
}

/** A line of events.jsonl; null: the event has files of its own, or is a new kind that is not known here. */
function lineOf(event: RunEvent, step: number): EventLine | null {
  const time = new Date().toISOString()
  switch (event.type) {
    case 'start':
      return { time, step: event.step, type: 'start', total_steps: event.totalSteps }
    case 'save': {
      const { folder, ...rest } = event
      return { time, ...rest, path: basename(folder) }
    }
    case 'end': {
      const { steps, stopped, loss } = event.result
      return { time, step: steps, type: 'end', stopped, loss }
    }
    case 'note':
    case 'error':
      return { time, step, ...event }
    case 'eval':
    case 'control':
    case 'sample':
    case 'alert':
    case 'advice':
      return { time, ...event }
    default:
      return null
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
