/**
 * What a benchmark is: a topic gives rows, a row compares our number with somebody else's.
 *
 * A speed claim is a command, so a floor that is missed makes `bun run bench` fail; a goal is what we aim at.
 */
import type { JsonValue } from '../../core/mod.ts'

export interface Row {
  readonly name: string
  readonly ours: number
  /** What `ours` is compared with: another program, or the peak of the machine. */
  readonly peer: number | null
  /** Of `ours` and `peer`: `tokens/s`, `MiB`, `ms`, `GFLOP/s`, `GB/s`. */
  readonly unit: string
  /** Median of ours / peer over pairs of runs taken in turn; null: nothing to compare with. */
  readonly ratio: number | null
  /** Limit on `ratio`, or on `ours` where there is no ratio; null: the row informs. */
  readonly floor: number | null
  readonly goal: number | null
  /** Which side of floor and goal is good. */
  readonly better: 'higher' | 'lower'
  readonly note?: string
  /** What the machine allows, measured in the same run; judged where the floor is missed. */
  readonly roofline?: Roofline
}

export interface Roofline {
  /** The highest `ratio` that is possible. */
  readonly share: number
  readonly why: string
}

/** Below the floor counts as missed only below this share of the roofline. */
export const ROOFLINE_SHARE = 0.95

export interface BenchContext {
  /** Fewer repetitions and fewer cases: does it work, roughly how fast. */
  readonly quick: boolean
  readonly threads: number
  /** Python with torch, transformers and peft; null: not given. */
  readonly python: string | null
  /** A model folder or GGUF file; null: not given. */
  readonly model: string | null
  /** Path or name of a BLAS; null: what the system has. */
  readonly blas: string | null
  /** Only rows whose name contains this; null: all of them. */
  readonly only: string | null
  /** Builds of the CPU library to compare; null: the bundled one, and none. */
  readonly before: string | null
  readonly after: string | null
  /** Their instruction set, as tt_init counts them; 0: the best. */
  readonly isa: number
  /** Folder of finished runs, which are not made again; null: as the topic has it. */
  readonly cache: string | null
  /** Nothing is run: only what is kept. */
  readonly finished: boolean
  /** Folder of a run whose times of steps are played; null: one that was recorded. */
  readonly trace: string | null
  /** How often, with other random numbers; null: as the topic has it. */
  readonly seeds: number | null
  /** Learning rates that are tried of every way; null: as the topic has it. */
  readonly tries: number | null
  /** For people, on stderr: what runs now. */
  progress(text: string): void
  /** For --json, beside the rows: everything that ran, failed or not. */
  list(run: JsonValue): void
}

export interface Topic {
  readonly name: string
  run(context: BenchContext): Promise<Row[]>
}

/** `goal` reached, `ok` above the floor, `MISSED`, `roofline`: below the floor, as the machine has it; empty without a floor. */
export type Judgement = 'goal' | 'ok' | 'roofline' | 'MISSED' | ''

export function judge({ ours, ratio, floor, goal, better, roofline }: Row): Judgement {
  const value = ratio ?? ours
  const reaches = (limit: number): boolean => (better === 'higher' ? value >= limit : value <= limit)
  if (goal !== null && reaches(goal)) return 'goal'
  if (floor === null) return ''
  if (reaches(floor)) return 'ok'
  return roofline && ratio !== null && ratio >= ROOFLINE_SHARE * roofline.share ? 'roofline' : 'MISSED'
}

/** A table for people: one line a row, numbers right-aligned. */
export function formatRows(rows: readonly Row[]): string {
  const limit = ({ better }: Row, value: number | null): string =>
    value === null ? '' : `${better === 'higher' ? '≥' : '≤'} ${formatNumber(value)}`
  const cells = rows.map((row) => [
    row.name,
    formatNumber(row.ours),
    row.peer === null ? '' : formatNumber(row.peer),
    row.unit,
    row.ratio === null ? '' : row.ratio.toFixed(2),
    limit(row, row.floor),
    limit(row, row.goal),
    judge(row),
    row.note ?? '',
  ])
  const table = [['', 'ours', 'peer', '', 'ratio', 'floor', 'goal', '', ''], ...cells]
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
  const numeric = new Set([1, 2, 4, 5, 6])
  const pad = (text: string, column: number): string =>
    numeric.has(column) ? text.padStart(widths[column]) : text.padEnd(widths[column])
  return table.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

/** Three significant digits or so, without exponents. */
export function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 4
  return value.toFixed(digits)
}
