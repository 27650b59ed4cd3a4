/**
 * Runs that were started from the page: each is `tritune finetune` as a process of its own, and stops cleanly when the server does.
 */
import { randomUUID } from 'node:crypto'
import { isRun, isUnfinished, readRun, sendControl } from '../../runs/mod.ts'
import { type CommandLine, failure, type StartedCommand, startCommand } from './json-command.ts'
import { runIdOf } from './run-catalogue.ts'

/** `initializing`: the model is loaded and the data tokenized. */
export type JobState = 'initializing' | 'running' | 'completed' | 'cancelled' | 'failed'

/** A run that was started here. */
export interface Job {
  /** Of this start: names come again. */
  readonly id: string
  readonly name: string
  /** The id of its run in the list. */
  readonly run: string
  readonly state: JobState
  /** What it does now. */
  readonly text: string
  /** Its last line, when it failed: code, what, where, remedy, faults. */
  readonly error: CommandLine | null
  /** What to type to try the result, or to go on. */
  readonly command: string | null
}

export interface JobStart {
  readonly name: string
  readonly file: string
  readonly outputDir: string
  /** After its end. */
  onEnd(job: Job): void
}

/** The runs that were started from the page. */
export interface JobList {
  /** The newest first. */
  list(): readonly Job[]
  start(start: JobStart): Job
  /** Whether one is under way. */
  isBusy(): boolean
  /** Asks all of them to stop after their step, and waits. */
  close(): Promise<void>
}

interface Running {
  job: Job
  stop(): void
  readonly ended: Promise<void>
}

const KEPT = 50

/** `tritune`: the words that start the command. */
export function openJobs(tritune: readonly string[]): JobList {
  const all: Running[] = []
  const isUnderWay = ({ job: { state } }: Running): boolean => state === 'initializing' || state === 'running'
  return {
    list: () => all.map(({ job }) => job),
    isBusy: () => all.some(isUnderWay),
    start(start) {
      const running = startJob(tritune, start)
      all.unshift(running)
      all.length = Math.min(all.length, KEPT)
      return running.job
    },
    async close() {
      const busy = all.filter(isUnderWay)
      for (const one of busy) one.stop()
      await Promise.all(busy.map(({ ended }) => ended))
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function startJob(tritune: readonly string[], { name, file, outputDir, onEnd }: JobStart): Running {
  const job: Job = {
    id: randomUUID(),
    name,
    run: runIdOf(outputDir),
    state: 'initializing',
    text: 'starting',
    error: null,
    command: null,
  }
  const started = startCommand([...tritune, 'finetune', file, '--json'], (line) => {
    running.job = { ...running.job, ...changeOf(line) }
  })
  const running: Running = {
    job,
    stop: () => stopRun(started, outputDir),
    ended: started.ended.then(
      ({ code, stderr }) => finish(endOf(running.job, code, stderr)),
      (error: unknown) => finish({ state: 'failed', error: lineOfError(error) }),
    ),
  }
  const finish = (change: Partial<Job>): void => {
    running.job = { ...running.job, ...change }
    onEnd(running.job)
  }
  return running
}

const ASK_AGAIN_MS = 1000

/** Its process is in a group of its own, so a Ctrl-C for the page is none for the run: this signal is its first, and it saves a checkpoint. */
function stopRun({ stop, ended }: StartedCommand, outputDir: string): void {
  if (process.platform !== 'win32') return stop('SIGTERM')
  // No signal reaches it there. It looks for what is asked from its first step on.
  const askIt = (): void => {
    if (isRun(outputDir) && isUnfinished(readRun(outputDir))) sendControl(outputDir, { action: 'stop' })
  }
  const timer = setInterval(askIt, ASK_AGAIN_MS)
  const over = (): void => clearInterval(timer)
  ended.then(over, over)
}

function changeOf(line: CommandLine): Partial<Job> {
  switch (line.type) {
    case 'notice':
    case 'note':
      return { text: String(line['text']) }
    case 'download':
      return { text: `downloading ${line['file']}: ${percent(line['received'], line['total'])}` }
    case 'tokenize':
      return { text: `reading ${line['dataset']}: ${percent(line['done'], line['total'])}` }
    case 'start':
      return { state: 'running', text: 'training' }
    case 'error':
      return { state: 'failed', text: '', error: line }
    case 'end':
      return endLine(line)
    default:
      return {}
  }
}

function endLine({ result, command }: CommandLine): Partial<Job> {
  const isStopped = typeof result === 'object' && result !== null && Reflect.get(result, 'stopped') === true
  return {
    state: isStopped ? 'cancelled' : 'completed',
    text: isStopped ? 'stopped; it can be resumed' : 'finished',
    command: typeof command === 'string' ? command : null,
  }
}

/** What its lines have not told. */
function endOf({ state }: Job, code: number | null, stderr: string): Partial<Job> {
  if (state === 'completed' || state === 'cancelled' || state === 'failed') return {}
  return { state: 'failed', text: '', error: lineOfError(failure(code, stderr)) }
}

function lineOfError(error: unknown): CommandLine {
  return { type: 'error', message: error instanceof Error ? error.message : String(error) }
}

function percent(part: unknown, total: unknown): string {
  return Number(total) > 0 ? `${Math.floor((100 * Number(part)) / Number(total))} %` : ''
}
