/**
 * `runs show`: one run, what it is, how far, what happened.
 */
import { formatBytes, formatCount, formatDuration } from '../../plugins/finetune/mod.ts'
import { type EventLine, type ListedRun, readRunLines, type RunIndex } from '../../plugins/runs/mod.ts'
import { writeJson } from '../_json-lines.ts'
import { out } from '../_streams.ts'
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
    ['checkpoints', run.checkpoints.map(({ path }) => path).join(', ')],
    ['command', run.command ?? ''],
    ['settings', run.config_hash],
    [
      'version',
      [run.tritune_version, run.git_commit?.slice(0, 12), run.git_branch].filter(Boolean).join(', '),
    ],
  ]
  const lines = rows.filter(([, text]) => text !== '').map(([name, text]) => `${name.padEnd(11)} ${text}`)
  const last = events
    .filter(({ type }) => type !== 'start' && type !== 'end')
    .slice(-10)
    .map(eventText)
  out.write(`${[...lines, ...(last.length > 0 ? ['last events', ...last] : [])].join('\n')}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function taken({ started_at: from, ended_at: to }: ListedRun['run']): string {
  const seconds = (Date.parse(to ?? '') - Date.parse(from)) / 1000
  return Number.isFinite(seconds) ? ` (${formatDuration(seconds)})` : ''
}

function eventText({ time, step, type, ...fields }: EventLine): string {
  const said = Object.entries(fields)
    .filter(([name]) => name !== 'id')
    .map(([name, value]) => `${name} ${oneLine(value)}`)
    .join(', ')
  return `  ${time.slice(11, 19)}  step ${step}  ${type}${said === '' ? '' : `: ${said}`}`
}

/** Texts of a model and of errors have any characters. */
function oneLine(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  const plain = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
  return plain.length > 100 ? `${plain.slice(0, 99)}…` : plain
}
