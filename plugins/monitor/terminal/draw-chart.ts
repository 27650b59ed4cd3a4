/**
 * A curve in braille: two by four dots a cell, so that a chart of 40 × 8 cells has 80 × 32 of them. The numbers at its left are those of its edges.
 */
import type { Line } from './cells.ts'

/** A number of a step. */
export type Dot = readonly [step: number, value: number]

/** A chart of one curve. */
export interface Chart {
  readonly title: string
  readonly dots: readonly Dot[]
  /** Few points that are shown as marks over the curve. */
  readonly marks?: readonly Dot[]
  /** How a number of the edges is written. */
  format(value: number): string
}

/** Cells of the numbers at the left. */
const EDGE = 9
/** Bits of the dots of a cell: column, then row from the top. */
const BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const
const BLANK = 0x2800

/** The title, then the curve; just so many rows, of at most so many columns. */
export function drawChart(chart: Chart, columns: number, rows: number): Line[] {
  const head: Line = [{ text: ` ${chart.title}`, style: 'bold' }]
  const [wide, high] = [columns - EDGE - 1, rows - 1]
  if (rows <= 1 || wide < 2) return [head].slice(0, rows)
  const dots = finite(chart.dots)
  const marks = finite(chart.marks ?? [])
  const range = rangeOf([...dots, ...marks])
  if (range === null) return filled([head, [{ text: ' nothing yet', style: 'dim' }]], rows)
  const cells = Array.from({ length: high }, () => new Uint8Array(wide))
  for (const [x, y] of trace(dots, range, wide * 2, high * 4))
    cells[y >> 2][x >> 1] |= BITS[x % 2 === 0 ? 0 : 1][y % 4]
  const marked = new Set(marks.map((dot) => placeOf(dot, range, wide, high).join()))
  const lines = cells.map((row, y): Line => {
    const edge = y === 0 ? chart.format(range.most) : y === high - 1 ? chart.format(range.least) : ''
    const text = Array.from(row, (bits, x) =>
      marked.has(`${x},${y}`) ? '◆' : String.fromCodePoint(BLANK + bits),
    )
    return [{ text: `${edge.slice(0, EDGE - 1).padStart(EDGE - 1)} `, style: 'dim' }, ...runs(text)]
  })
  return [head, ...lines]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Range {
  readonly first: number
  readonly last: number
  readonly least: number
  readonly most: number
}

function finite(dots: readonly Dot[]): readonly Dot[] {
  return dots.filter(([, value]) => Number.isFinite(value))
}

function rangeOf(dots: readonly Dot[]): Range | null {
  if (dots.length === 0) return null
  let [first, last, least, most] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const [step, value] of dots) {
    first = Math.min(first, step)
    last = Math.max(last, step)
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  return { first, last, least, most }
}

function placeOf(
  [step, value]: Dot,
  { first, last, least, most }: Range,
  wide: number,
  high: number,
): [number, number] {
  const x = last === first ? 0 : ((step - first) / (last - first)) * (wide - 1)
  const y = most === least ? 0.5 * (high - 1) : ((most - value) / (most - least)) * (high - 1)
  return [Math.round(x), Math.round(y)]
}

/** Each dot of the curve: in a column all between the lowest and the highest of its values, joined to the column before. */
function* trace(dots: readonly Dot[], range: Range, wide: number, high: number): Generator<[number, number]> {
  const columns = new Map<number, [top: number, bottom: number, end: number]>()
  for (const dot of dots) {
    const [x, y] = placeOf(dot, range, wide, high)
    const [top, bottom] = columns.get(x) ?? [y, y]
    columns.set(x, [Math.min(top, y), Math.max(bottom, y), y])
  }
  let before: readonly [x: number, y: number] | null = null
  for (const [x, [top, bottom, end]] of columns) {
    const joint = before === null ? top : Math.max(top, Math.min(bottom, before[1]))
    if (before !== null) yield* between(before, [x, joint])
    for (let y = top; y <= bottom; y++) yield [x, y]
    before = [x, end]
  }
}

function* between(
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
): Generator<[number, number]> {
  const steps = Math.max(x1 - x0, Math.abs(y1 - y0))
  for (let i = 1; i < steps; i++)
    yield [Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps)]
}

/** Marks in their own colour. */
function runs(text: readonly string[]): Line {
  return text
    .join('')
    .split(/(◆+)/)
    .filter((part) => part !== '')
    .map((part) => ({ text: part, style: part.startsWith('◆') ? 'yellow' : 'cyan' }))
}

function filled(lines: readonly Line[], rows: number): Line[] {
  return Array.from({ length: rows }, (_, i) => lines[i] ?? [])
}
