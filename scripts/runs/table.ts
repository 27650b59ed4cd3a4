/**
 * Rows of text in columns: what is a number stands at the right.
 */

/** The first row is the head. `right`: columns that are numbers. */
export function textTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const cell = (text: string, column: number): string =>
    right.includes(column) ? text.padStart(widths[column]) : text.padEnd(widths[column])
  return rows.map((row) => row.map(cell).join('  ').trimEnd())
}

/** A number of four digits or so; nothing for none. */
export function numberText(value: number | null | undefined): string {
  if (value === null || value === undefined) return ''
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4)
}

const BLOCKS = '▁▂▃▄▅▆▇█'

/** Values as a line of blocks, between `least` and `most`. */
export function sparkline(
  values: readonly number[],
  width: number,
  [least, most]: readonly [number, number] = [Math.min(...values), Math.max(...values)],
): string {
  const count = Math.min(width, values.length)
  return Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    )
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length
    const share = most > least ? (mean - least) / (most - least) : 0
    return BLOCKS[Math.min(BLOCKS.length - 1, Math.max(0, Math.floor(share * BLOCKS.length)))]
  }).join('')
}
