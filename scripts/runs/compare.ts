/**
 * `runs compare`: the settings in which runs differ, their numbers, and their curves on one scale.
 */
import { formatCount, formatDuration } from '../../plugins/finetune/mod.ts'
import { type ListedRun, rateChangesText, type RunIndex, type RunRecord } from '../../plugins/runs/mod.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { out } from '../terminal/streams.ts'
import { numberText, sparkline, textTable } from './table.ts'

export function compareRunsCommand(index: RunIndex, runs: readonly ListedRun[], json: boolean): void {
  const settings = differentSettings(runs.map(({ run }) => run.config))
  const numbers = NUMBERS.map(([name, of]) => ({ name, values: runs.map(({ run }) => of(run)) }))
  const curves = runs.map(({ folder }) => index.curves(folder))
  if (json) {
    const named = runs.map(({ folder, run }, i) => ({
      folder,
      run_id: run.run_id,
      run_name: run.run_name,
      curves: curves[i],
    }))
    writeJson({ type: 'comparison', runs: named, settings, numbers })
    return
  }
  const head = ['', ...runs.map(({ run }) => run.run_name)]
  const rows = [
    head,
    ...settings.map(({ key, values }) => [key, ...values.map((value) => settingText(value))]),
    ...numbers.flatMap(({ name, values }) =>
      values.every((value) => value === '') ? [] : [[name, ...values]],
    ),
  ]
  const lines = textTable(rows)
  out.write(`${[...lines, ...curveLines('loss'), ...curveLines('eval_loss')].join('\n')}\n`)

  function curveLines(name: string): string[] {
    const series = curves.map((of) => (of[name] ?? []).map(({ mean }) => mean))
    const all = series.flat()
    if (all.length < 2) return []
    const range = [Math.min(...all), Math.max(...all)] as const
    const width = Math.max(...runs.map(({ run }) => run.run_name.length))
    return [
      '',
      `${name}, from ${numberText(range[0])} to ${numberText(range[1])}`,
      ...series.map(
        (values, i) => `  ${runs[i].run.run_name.padEnd(width)}  ${sparkline(values, 60, range)}`,
      ),
    ]
  }
}

/** A setting, and its value in each run; undefined where a run has no such setting. */
export interface DifferentSetting {
  readonly key: string
  readonly values: readonly unknown[]
}

/** Every setting, by path, that is not the same in all. Where the result goes is none. */
export function differentSettings(configs: readonly RunRecord['config'][]): DifferentSetting[] {
  const flat = configs.map((config) => new Map(leaves(config, '')))
  const keys = new Set(flat.flatMap((one) => [...one.keys()]))
  return [...keys]
    .filter(
      (key) => key !== 'output_dir' && new Set(flat.map((one) => JSON.stringify(one.get(key)))).size > 1,
    )
    .toSorted()
    .map((key) => ({ key, values: flat.map((one) => one.get(key)) }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function leaves(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return [[path, value]]
  return Object.entries(value).flatMap(([name, inner]) =>
    leaves(inner, path === '' ? name : `${path}.${name}`),
  )
}

function settingText(value: unknown): string {
  if (value === undefined || value === null) return '–'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

const NUMBERS: readonly (readonly [string, (run: RunRecord) => string])[] = [
  ['status', ({ status }) => status],
  ['steps', ({ current_step: step, total_steps: total }) => `${step}/${total}`],
  ['rate changed', rateChangesText],
  ['tokens', ({ total_tokens_trained: tokens }) => formatCount(tokens)],
  ['loss', ({ current_loss: loss }) => numberText(loss)],
  [
    'best evaluation',
    ({ best_loss: loss, best_step: step }) =>
      loss === null ? '' : `${numberText(loss)} (step ${step ?? '?'})`,
  ],
  ['tokens/s', ({ tokens_per_second: rate }) => (rate === null ? '' : rate.toFixed(0))],
  ['time', ({ started_at: from, ended_at: to }) => duration(from, to)],
]

function duration(from: string, to: string | null): string {
  const seconds = (Date.parse(to ?? '') - Date.parse(from)) / 1000
  return Number.isFinite(seconds) ? formatDuration(seconds) : ''
}
