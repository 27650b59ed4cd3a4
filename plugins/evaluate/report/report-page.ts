/**
 * The report of a run as one HTML page that needs nothing else: no script, no network. What models and data wrote stays text.
 */
import { stringify } from 'yaml'
import type { ModelEvaluation, TaskEvaluation } from '../evaluate-model.ts'
import type { Difference, Measure } from '../measures/statistics.ts'
import { eventText, rateChangesText, shortNumber } from '../../runs/mod.ts'
import { escaped } from './escaped.ts'
import { lineChart } from './line-chart.ts'
import type { ReportSample, RunReport } from './run-report.ts'
import { REPORT_STYLE } from './style.ts'

/**
 * The page as HTML.
 *
 * @example
 * ```ts
 * import { reportPage, runReport } from 'tritune/plugins/evaluate'
 * import { listRuns } from 'tritune/plugins/runs'
 * import { writeFileSync } from 'node:fs'
 *
 * for (const { folder } of listRuns(['./outputs'])) writeFileSync('report.html', reportPage(runReport(folder)))
 * ```
 */
export function reportPage({ run, charts, samples, evaluation, events }: RunReport): string {
  const title = `${run.run_name}: report`
  const sections = [
    section('Curves', charts.flatMap(({ title: name, curves }) => lineChart(name, curves) ?? []).join('\n')),
    section('Evaluation', evaluation === null ? '' : evaluationTable(evaluation)),
    section('Samples', samples.map(sampleText).join('\n')),
    section('How it was made', `${facts(run)}${again(run)}`),
    section(
      'What happened',
      events.length === 0
        ? ''
        : table(
            ['time', 'step', 'what'],
            events.map((event) => [event.time, String(event.step), eventText(event)]),
          ),
    ),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<h1>${escaped(run.run_name)}</h1>
<p class="soft">${escaped(summary(run))}</p>
${sections.filter((text) => text !== '').join('\n')}
</body>
</html>
`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Run = RunReport['run']

function section(title: string, content: string): string {
  return content === '' ? '' : `<h2>${title}</h2>\n${content}`
}

function summary({
  status,
  model,
  adapter,
  error_message: error,
  current_step: step,
  total_steps: all,
}: Run): string {
  const what = [model, adapter].filter((part) => part !== null && part !== '').join(', ')
  const reason = error === null ? '' : `: ${error.split('\n')[0]}`
  return `${what === '' ? '' : `${what}; `}${status}${reason}, step ${step} of ${all}`
}

function facts(run: Run): string {
  const seconds = (Date.parse(run.ended_at ?? run.updated_at) - Date.parse(run.started_at)) / 1000
  const rows: [string, string | null][] = [
    ['run', run.run_id],
    ['model', run.model],
    ['adapter', run.adapter ?? 'none: all weights are trained'],
    ['data', run.dataset.join(', ')],
    ['device', run.device],
    ['started', run.started_at],
    ['took', Number.isFinite(seconds) ? `${Math.round(seconds)} s` : null],
    ['tokens trained', run.total_tokens_trained.toLocaleString('en')],
    ['last loss', number(run.current_loss)],
    [
      'best evaluation',
      run.best_loss === null ? null : `${number(run.best_loss)} at step ${run.best_step ?? '?'}`,
    ],
    ['learning rate changed', rateChangesText(run)],
    ['checkpoints', run.checkpoints.map(({ path }) => path).join(', ')],
    ['tritune', run.tritune_version],
    ['git', [run.git_commit, run.git_branch].filter((part) => part !== null).join(', ')],
  ]
  return table(
    [],
    rows.flatMap(([name, value]) => (value === null || value === '' ? [] : [[name, value]])),
  )
}

/** The command and the settings that make the run again. */
function again({ command, config, config_hash: hash }: Run): string {
  const settings = Object.keys(config).length === 0 ? '' : stringify(config)
  return [
    ...(command === null ? [] : [`<p>To repeat it:</p><pre>${escaped(command)}</pre>`]),
    ...(settings === ''
      ? []
      : [
          `<details><summary>All settings (${escaped(hash)})</summary><pre>${escaped(settings)}</pre></details>`,
        ]),
  ].join('\n')
}

function sampleText({ step, prompt, completion }: ReportSample): string {
  return `<p class="soft">step ${step}</p><pre><span class="soft">${escaped(prompt)}</span>${escaped(completion)}</pre>`
}

function evaluationTable({ tasks, before, subject, time }: ModelEvaluation): string {
  const who = ({ model, adapter }: ModelEvaluation['subject']): string =>
    adapter === null ? model : `${model} with ${adapter}`
  const about = `${before === null ? '' : `before: ${who(before)}; after: `}${who(subject)}; ${time}. Intervals are of 95 %.`
  const heads =
    before === null ? ['task', 'measure', 'value'] : ['task', 'measure', 'before', 'after', 'difference', '']
  return `<p class="soft">${escaped(about)}</p>${table(heads, tasks.flatMap(taskRows))}`
}

function taskRows({ task, items, measures, before, difference }: TaskEvaluation): string[][] {
  return Object.entries(measures).map(([name, after], i) => [
    i === 0 ? `${task} (${items} ${items === 1 ? 'item' : 'items'})` : '',
    name,
    ...(before ? [shown(before[name])] : []),
    shown(after),
    ...(difference ? [differenceText(difference[name]), difference[name].verdict] : []),
  ])
}

function shown({ value, low, high }: Measure): string {
  return `${number(value)}${low === null || high === null ? '' : ` [${number(low)}, ${number(high)}]`}`
}

function differenceText({ value, low, high }: Difference): string {
  return `${number(value)}${low === null || high === null ? '' : ` [${number(low)}, ${number(high)}]`}`
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head =
    heads.length === 0
      ? ''
      : `<thead><tr>${heads.map((name) => `<th>${escaped(name)}</th>`).join('')}</tr></thead>`
  const body = rows
    .map(
      (cells) =>
        `<tr>${cells.map((cell) => `<td${cell === 'better' || cell === 'worse' ? ` class="${cell}"` : ''}>${escaped(cell)}</td>`).join('')}</tr>`,
    )
    .join('\n')
  return `<div class="wide"><table>${head}<tbody>\n${body}\n</tbody></table></div>`
}

function number(value: number | null): string {
  return value === null ? '' : shortNumber(value)
}
