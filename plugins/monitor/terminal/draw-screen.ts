/**
 * The whole screen of the terminal monitor as lines, from what is known of a run and the size of the terminal. Pure: it writes nothing.
 */
import { formatBytes, formatCount, formatDuration } from '../../finetune/mod.ts'
import type { MetricsLine } from '../../runs/mod.ts'
import { fitted, type Line, plainLine, type Style, wrapped } from './cells.ts'
import { type Chart, type Dot, drawChart } from './draw-chart.ts'
import { eventLines } from './event-lines.ts'
import type { WatchedRun } from './watched-run.ts'

/** Size of a terminal, in cells. */
export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

/** What stands in the last line. */
export interface Footer {
  /** Place of the run among those that are watched, from 1, and how many there are. */
  readonly at: number
  readonly of: number
  /** Name of a run that began after the one that is shown; null: none. */
  readonly newer: string | null
  /** What is asked of the person, or told; null: the keys. */
  readonly prompt: string | null
}

const LEAST: ScreenSize = { columns: 30, rows: 8 }
/** Status, progress, two lines of numbers, keys. */
const FIXED = 5
/** Rows from which there are four charts at the right. */
const FOUR = 16

/** As many lines as the terminal has rows, each as wide as it is. */
export function drawScreen(
  watched: WatchedRun | null,
  { columns, rows }: ScreenSize,
  footer: Footer,
): Line[] {
  const lines = linesOf(watched, { columns, rows }, footer)
  return Array.from({ length: rows }, (_, i) => fitted(lines[i] ?? [], columns))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function linesOf(watched: WatchedRun | null, { columns, rows }: ScreenSize, footer: Footer): Line[] {
  if (columns < LEAST.columns || rows < LEAST.rows)
    return [[{ text: `make it ${LEAST.columns} × ${LEAST.rows}` }]]
  const keys = keysLine(footer, watched)
  const blank = (count: number): Line[] => Array.from({ length: count }, () => [])
  if (watched === null) return [[{ text: ' there is no run yet', style: 'dim' }], ...blank(rows - 2), keys]
  const reason = reasonLines(watched, columns, (rows - FIXED) >> 1)
  const newer = newerLines(footer)
  const room = rows - FIXED - reason.length - newer.length
  const below = room < 8 ? 0 : Math.round(room * 0.45)
  const sampleRows = watched.sample === null || below < 5 ? 0 : Math.max(2, Math.min(6, below >> 1))
  return [
    statusLine(watched),
    ...reason,
    progressLine(watched, columns),
    ...numberLines(watched, columns),
    ...charts(watched, columns, room - below),
    ...sampleLines(watched, columns, sampleRows),
    ...logLines(watched, columns, below - sampleRows),
    ...newer,
    keys,
  ]
}

const STATUS_STYLES: Readonly<Record<string, Style>> = {
  running: 'green',
  completed: 'green',
  paused: 'yellow',
  cancelled: 'yellow',
  failed: 'red',
}

function statusLine({ run }: WatchedRun): Line {
  const about = [run.model, run.adapter ?? 'all weights', run.device].filter((part) => part !== '')
  return [
    { text: ' ' },
    { text: run.status, style: STATUS_STYLES[run.status] ?? 'bold' },
    { text: `  ${plainLine(run.run_name)}`, style: 'bold' },
    { text: `  ${plainLine(about.join(' · '))}`, style: 'dim' },
  ]
}

/** Why a run failed, in as many lines as that takes and there are. */
function reasonLines({ run }: WatchedRun, columns: number, rows: number): Line[] {
  if (run.error_message === null) return []
  return wholeOrCut(run.error_message, columns - 2, rows).map((text) => [{ text: ` ${text}`, style: 'red' }])
}

/** What does not fit into the rows ends in "…". */
function wholeOrCut(text: string, columns: number, rows: number): string[] {
  const lines = wrapped(text, columns, rows + 1)
  if (lines.length <= rows) return lines
  const kept = lines.slice(0, rows)
  return kept.map((line, i) => (i === rows - 1 ? `${line}…` : line))
}

function progressLine({ run }: WatchedRun, columns: number): Line {
  const { current_step: step, total_steps: total, steps_per_second: rate } = run
  const part = total === 0 ? 0 : Math.min(1, step / total)
  const left =
    run.status === 'running' && rate !== null && rate > 0
      ? `${formatDuration((total - step) / rate)} left`
      : ''
  const before = ` step ${step}/${total} `
  const after = ` ${(100 * part).toFixed(0)} %  ${left}`
  const wide = Math.max(0, Math.min(60, columns - before.length - after.length - 1))
  const full = Math.round(part * wide)
  return [
    { text: before },
    { text: '█'.repeat(full), style: 'green' },
    { text: '░'.repeat(wide - full), style: 'dim' },
    { text: after },
  ]
}

/** Two lines, as many of the numbers in each as there is room for. */
function numberLines({ run, steps, evaluations }: WatchedRun, columns: number): Line[] {
  const last = steps.at(-1)
  const evaluated = evaluations.at(-1)
  const numbers: [name: string, value: string][] = [
    ['loss', fixed(last?.['loss'])],
    ['evaluation', evaluated === undefined ? '–' : fixed(evaluated['eval_loss'])],
    ['best', run.best_loss === null ? '–' : `${run.best_loss.toFixed(4)} at ${run.best_step}`],
    ['learning rate', exponential(last?.['learning_rate'])],
    ['gradient', fixed(last?.['grad_norm'])],
    ['tokens/s', rounded(last?.['tokens_per_second'])],
    ['trained', `${formatCount(run.total_tokens_trained)} tokens`],
    ['memory', memoryOf(run.memory)],
  ]
  const lines: Line[] = [[], []]
  let [at, used] = [0, 0]
  for (const [name, value] of numbers) {
    const width = name.length + value.length + 4
    if (used + width > columns) [at, used] = [at + 1, 0]
    if (at >= lines.length) break
    used += width
    lines[at] = [...lines[at], { text: ` ${name} `, style: 'dim' }, { text: `${value}  ` }]
  }
  return lines
}

function memoryOf({ resident, device }: WatchedRun['run']['memory']): string {
  const bytes = device ?? resident
  return bytes === null ? '–' : formatBytes(bytes)
}

/** The loss at the left, the others one below the other at its right; in a narrow terminal the loss alone. */
function charts({ steps, evaluations }: WatchedRun, columns: number, rows: number): Line[] {
  const of = (name: string): Dot[] => dotsOf(steps, name)
  const loss: Chart = {
    title: evaluations.length > 0 ? 'loss, ◆ evaluation' : 'loss',
    dots: of('loss'),
    marks: dotsOf(evaluations, 'eval_loss'),
    format: (value) => value.toPrecision(4),
  }
  if (columns < 60) return drawChart(loss, columns, rows)
  const others: Chart[] = [
    { title: 'learning rate', dots: of('learning_rate'), format: (value) => value.toExponential(1) },
    { title: 'gradient norm', dots: of('grad_norm'), format: (value) => value.toPrecision(3) },
  ]
  if (rows >= FOUR) {
    others.push({ title: 'tokens/s', dots: of('tokens_per_second'), format: (value) => value.toFixed(0) })
    const memory = of('memory_used')
    if (memory.length > 0) others.push({ title: 'memory', dots: memory, format: formatBytes })
  }
  const half = columns >> 1
  const left = drawChart(loss, half, rows)
  const each = Math.floor(rows / others.length)
  const right = others.flatMap((chart, i) =>
    drawChart(chart, columns - half, i === others.length - 1 ? rows - each * (others.length - 1) : each),
  )
  return left.map((line, i) => [...fitted(line, half), ...(right[i] ?? [])])
}

function sampleLines({ sample }: WatchedRun, columns: number, rows: number): Line[] {
  if (sample === null || rows === 0) return []
  const { prompt, completion, step } = sample
  const texts = wrapped(`${prompt} ▸ ${completion}`, columns - 2, rows - 1)
  const lines: Line[] = texts.map((text) => [{ text: ` ${text}` }])
  return [
    [{ text: ` sample of step ${step}`, style: 'bold' }],
    ...Array.from({ length: rows - 1 }, (_, i) => lines[i] ?? []),
  ]
}

function logLines({ log, run }: WatchedRun, columns: number, rows: number): Line[] {
  if (rows <= 0) return []
  const width = String(run.total_steps).length
  const shown = rows === 1 ? [] : log.slice(1 - rows)
  const lines = shown.flatMap((event) => eventLines(event, width, columns - 1)).slice(1 - rows)
  return [[{ text: ' log', style: 'bold' }], ...Array.from({ length: rows - 1 }, (_, i) => lines[i] ?? [])]
}

function newerLines({ newer }: Footer): Line[] {
  return newer === null ? [] : [[{ text: ` n shows the newer run ${plainLine(newer)}`, style: 'yellow' }]]
}

function keysLine({ at, of, prompt }: Footer, watched: WatchedRun | null): Line {
  if (prompt !== null) return [{ text: ` ${plainLine(prompt)}`, style: 'inverse' }]
  const pause = watched?.run.status === 'paused' ? 'p resume' : 'p pause'
  const others = of > 1 ? `  [ ] run ${at} of ${of}` : ''
  return [{ text: ` q leave  ${pause}  s save  x stop  l learning rate${others}`, style: 'dim' }]
}

function dotsOf(lines: readonly MetricsLine[], name: string): Dot[] {
  return lines.flatMap((line) => {
    const value = line[name]
    return typeof value === 'number' ? [[line.step, value] as const] : []
  })
}

function fixed(value: number | null | undefined): string {
  return typeof value === 'number' ? value.toFixed(4) : '–'
}

function exponential(value: number | null | undefined): string {
  return typeof value === 'number' ? value.toExponential(2) : '–'
}

function rounded(value: number | null | undefined): string {
  return typeof value === 'number' ? String(Math.round(value)) : '–'
}
