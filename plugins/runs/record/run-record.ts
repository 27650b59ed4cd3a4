/**
 * run.json: what a run is and how far it is, one file in its folder. Names are as in the run records of training-tools, which this file follows.
 *
 * Reading forgives: a field that is not there (an older run) or is not what it should be has its default, one that is not known (a newer run) is left
 * out. So no version of tritune makes the runs of another one unreadable.
 */
import type { JsonValue } from '../../../core/mod.ts'
import { looseObject, looseText } from '../files/loose-object.ts'

/** The file in the folder of a run. */
export const RUN_RECORD_FILE = 'run.json'

/** What a run is doing, or how it ended. `initializing`: started, no step done yet; `cancelled`: asked to stop before its end. */
export type RunStatus = 'initializing' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled'

/** A checkpoint that a run wrote. */
export interface RunCheckpoint {
  readonly step: number
  /** Name of its folder in that of the run. */
  readonly path: string
  /** Mean loss of the step before. */
  readonly loss: number | null
  readonly time: string
}

/** The learning rate was changed while the run went: `learning_rate` of the file is as if it had been `to` from then on. */
export interface LearningRateChange {
  /** Steps done before. */
  readonly step: number
  readonly from: number
  readonly to: number
}

/** Bytes of memory that a run uses. */
export interface RunMemory {
  /** Of the process. */
  readonly resident: number | null
  /** Of a GPU: tensors that are alive, and their peak. */
  readonly device: number | null
  readonly device_peak: number | null
}

/** The content of run.json. Times are ISO dates in UTC. */
export interface RunRecord {
  /** The same when a run is resumed. */
  readonly run_id: string
  readonly run_name: string
  readonly status: RunStatus
  /** The settings that the run was made with, checked and complete. */
  readonly config: Readonly<Record<string, JsonValue>>
  /** First 12 hex digits of the SHA-256 of `config` as JSON. */
  readonly config_hash: string
  /** What was typed to start it; null: a program did. */
  readonly command: string | null
  readonly model: string
  /** The adapter's kind; null: all weights are trained. */
  readonly adapter: string | null
  /** Paths or names of the data sets. */
  readonly dataset: readonly string[]
  readonly device: string
  readonly started_at: string
  readonly updated_at: string
  readonly ended_at: string | null
  readonly current_step: number
  readonly total_steps: number
  readonly current_loss: number | null
  /** Of the last step, as the schedule has it. */
  readonly learning_rate: number | null
  /** That of the file, or what took its place: the schedule goes on below it. This is what `set_learning_rate` sets. */
  readonly base_learning_rate: number | null
  readonly learning_rate_changes: readonly LearningRateChange[]
  /** Of the best evaluation; null: there was none. */
  readonly best_loss: number | null
  readonly best_step: number | null
  readonly error_message: string | null
  readonly checkpoints: readonly RunCheckpoint[]
  readonly total_tokens_trained: number
  readonly tokens_per_second: number | null
  readonly steps_per_second: number | null
  readonly memory: RunMemory
  readonly tritune_version: string
  readonly git_commit: string | null
  readonly git_branch: string | null
  /** The process that trains, and its machine; null: not known. */
  readonly pid: number | null
  readonly host: string | null
}

const STATUSES: readonly RunStatus[] = [
  'initializing',
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
]

/** A record from what a run.json holds, whatever that is. */
export function parseRunRecord(value: unknown): RunRecord {
  const { text, number, list, object, fields } = looseObject(value)
  const memory = object('memory')
  const startedAt = text('started_at', '')
  const config = settingsOf(fields['config'])
  const changes = list('learning_rate_changes', rateChange)
  return {
    run_id: text('run_id', ''),
    run_name: text('run_name', ''),
    status: STATUSES.find((status) => status === fields['status']) ?? 'initializing',
    config,
    config_hash: text('config_hash', ''),
    command: text('command', null),
    model: text('model', ''),
    adapter: text('adapter', null),
    dataset: list('dataset', looseText),
    device: text('device', ''),
    started_at: startedAt,
    updated_at: text('updated_at', startedAt),
    ended_at: text('ended_at', null),
    current_step: number('current_step', 0),
    total_steps: number('total_steps', 0),
    current_loss: number('current_loss', null),
    learning_rate: number('learning_rate', null),
    base_learning_rate: number('base_learning_rate', baseRateOf(config, changes)),
    learning_rate_changes: changes,
    best_loss: number('best_loss', null),
    best_step: number('best_step', null),
    error_message: text('error_message', null),
    checkpoints: list('checkpoints', checkpoint),
    total_tokens_trained: number('total_tokens_trained', 0),
    tokens_per_second: number('tokens_per_second', null),
    steps_per_second: number('steps_per_second', null),
    memory: {
      resident: memory.number('resident', null),
      device: memory.number('device', null),
      device_peak: memory.number('device_peak', null),
    },
    tritune_version: text('tritune_version', ''),
    git_commit: text('git_commit', null),
    git_branch: text('git_branch', null),
    pid: number('pid', null),
    host: text('host', null),
  }
}

/** The rate below which the schedule goes on: that of the last change, else that of the settings. */
export function baseRateOf(
  config: RunRecord['config'],
  changes: readonly LearningRateChange[],
): number | null {
  const { learning_rate: rate } = config
  return changes.at(-1)?.to ?? (typeof rate === 'number' ? rate : null)
}

/** True of a run that has come to no end yet. */
export function isUnfinished({ status }: Pick<RunRecord, 'status'>): boolean {
  return status === 'initializing' || status === 'running' || status === 'paused'
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function settingsOf(value: unknown): RunRecord['config'] {
  return isSettings(value) ? value : {}
}

/** What came out of `JSON.parse` is JSON. */
function isSettings(value: unknown): value is RunRecord['config'] {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rateChange(value: unknown): LearningRateChange | undefined {
  const { number } = looseObject(value)
  const [step, from, to] = [number('step', null), number('from', null), number('to', null)]
  return step === null || from === null || to === null ? undefined : { step, from, to }
}

function checkpoint(value: unknown): RunCheckpoint | undefined {
  const { number, text } = looseObject(value)
  const [step, path] = [number('step', null), text('path', null)]
  if (step === null || path === null) return undefined
  return { step, path, loss: number('loss', null), time: text('time', '') }
}
