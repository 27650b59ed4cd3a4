/**
 * An evaluation as lines for a terminal.
 */
import { counted } from '../../core/counted.ts'
import type { Difference, ModelEvaluation, Measure, TaskEvaluation } from '../../plugins/evaluate/mod.ts'

/** A line for each measure, with its 95 % interval; with two models both, and what the difference says. */
export function evaluationLines({ tasks }: ModelEvaluation): string[] {
  return tasks.flatMap((task) => [
    `${task.task}  (${task.kind}, ${counted(task.items, 'item')})`,
    ...columns(Object.keys(task.measures).map((name) => row(task, name))).map((line) => `  ${line}`),
    ...(task.cut > 0
      ? [
          `  note: the beginning of ${counted(task.cut, 'context')} was left out, longer than what the model knows`,
        ]
      : []),
    '',
  ])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function row({ measures, before, difference }: TaskEvaluation, name: string): string[] {
  const after = measures[name]
  if (!before || !difference) return [name, shown(after)]
  return [name, shown(before[name]), '→', shown(after), told(difference[name])]
}

function shown({ value, low, high, stderr }: Measure): string {
  const interval = low === null || high === null ? '' : ` [${number(low)}, ${number(high)}]`
  return `${number(value)}${interval}${stderr === null ? '' : ` ±${number(stderr)}`}`
}

function told({ value, low, high, verdict }: Difference): string {
  const interval =
    low === null || high === null ? 'one item: no interval' : `[${signed(low)}, ${signed(high)}]`
  return `${signed(value)} ${interval}  ${verdict}`
}

function number(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toPrecision(5)
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${number(Math.abs(value))}`
}

/** Cells of a column begin at the same place. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((cells) => cells[i].length))) ?? []
  return rows.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  )
}
