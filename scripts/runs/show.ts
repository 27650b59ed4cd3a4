/**
 * `runs show`: one run, what it is, how far, what happened.
 */
import { formatBytes, formatCount, formatDuration } from '../../plugins/finetune/mod.ts'
import {
  type EventLine,
  eventText,
  type ListedRun,
  rateChangesText,
  readRunLines,
  type RunIndex,
} from '../../plugins/runs/mod.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { out } from '../terminal/streams.ts'
import { nearPath } from './list.ts'
import { numberText, sparkline } from './table.ts'

export function showRunCommand(index: RunIndex, { folder, run }: ListedRun, json: boolean): void {
  const events = readRunLines(folder, 'events')
  const curves = index.curves(folder)
  if (json) {
    writeJson({ type: 'run', folder, ...run, events, curves })
    return
  }
  const losses = (curves['loss'] ?? []).map(({ mean }) => mean)
  const { memory } = run
  const rows: readonly (readonly [string, string])[] = [
    ['run', `${run.run_name} (${run.run_id || 'of before runs had ids'})`],
    ['folder', nearPath(folder)],
    ['status', `${run.status}${run.error_message === null ? '' : `: ${run.error_message.split('\n')[0]}`}`],
    ['model', `${run.model}${run.adapter === null ? '' : `, ${run.adapter}`}`],
    ['data', run.dataset.join(', ')],
    ['device', run.device],
    ['started', `${run.started_at}${run.ended_at === null ? '' : `, ended ${run.ended_at}`}${taken(run)}`],
    ['steps', `${run.current_step} of ${run.total_steps}, ${formatCount(run.total_tokens_trained)} tokens`],
    ['speed', run.tokens_per_second === null ? '' : `${run.tokens_per_second.toFixed(0)} tokens/s`],
    ['memory', memory.resident === null ? '' : formatBytes(memory.resident)],
    ['loss', `${numberText(run.current_loss)}  ${losses.length > 1 ? sparkline(losses, 60) : ''}`.trim()],
    ['best', run.best_loss === null ? '' : `${numberText(run.best_loss)} at step ${run.best_step ?? '?'}`],
    ['rate', numberText(run.learning_rate)],
    ['changed', rateChangesText(run)],
    ['checkpoints', run.checkpoints.map(({ path }) => path).join(', ')],
    ['command', run.command ?? ''],
    ['settings', run.config_hash],
    [
      'version',
      [run.tritune_version, run.git_commit?.slice(0, 12), run.git_branch].filter(Boolean).join(', '),
    ],
  ]
  const lines = rows.filter(([, text]) => text !== '').map(([name, text]) => `${name.padEnd(11)} ${text}`)
  const sample = events.findLast(({ type }) => type === 'sample')
  const last = [
    ...events.filter(({ type }) => !NOT_LISTED.has(type)).slice(-MOST_EVENTS),
    ...(sample === undefined ? [] : [sample]),
  ].map(eventLine)
  out.write(`${[...lines, ...(last.length > 0 ? ['last events', ...last] : [])].join('\n')}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const MOST_EVENTS = 10
const WIDEST = 110
/** The record has the first two; of what the model wrote the last is shown by itself. */
const NOT_LISTED: ReadonlySet<string> = new Set(['start', 'end', 'sample'])

function taken({ started_at: from, ended_at: to }: ListedRun['run']): string {
  const seconds = (Date.parse(to ?? '') - Date.parse(from)) / 1000
  return Number.isFinite(seconds) ? ` (${formatDuration(seconds)})` : ''
}

function eventLine(event: EventLine): string {
  const text = eventText(event)
  return `  ${event.time.slice(11, 19)}  step ${event.step}  ${text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text}`
}
