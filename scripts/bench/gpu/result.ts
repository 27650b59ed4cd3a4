/**
 * What a section of the GPU benchmark says, one line at a time, and how that becomes a table.
 */

export interface GpuResult {
  readonly section: string
  readonly name: string
  /** A check passed or failed; null: a number that only informs. */
  readonly ok: boolean | null
  readonly ours: number | null
  readonly theirs: number | null
  readonly unit: string
  /** How many times better ours is than theirs. */
  readonly ratio: number | null
  /** Share of what the machine can do: of the copy bandwidth, of torch's matrix products. */
  readonly share: number | null
  readonly note: string
}

/** What a section gives; the rest is empty. */
export type PartialResult = Partial<GpuResult> & Pick<GpuResult, 'name'>

export function resultOf(section: string, partial: PartialResult): GpuResult {
  const empty = { ok: null, ours: null, theirs: null, unit: '', ratio: null, share: null, note: '' }
  return { ...empty, ...partial, section }
}

/** One line for people. */
export function formatLine({ name, ok, ours, theirs, unit, ratio, share, note }: GpuResult): string {
  const parts = [
    ok === null ? '    ' : ok ? 'ok  ' : 'FAIL',
    name,
    ours === null ? '' : `${formatNumber(ours)} ${unit}`,
    theirs === null ? '' : `torch ${formatNumber(theirs)}`,
    ratio === null ? '' : `×${ratio.toFixed(2)}`,
    share === null ? '' : `${(100 * share).toFixed(0)} %`,
    note,
  ]
  return parts.filter((part) => part !== '').join('  ')
}

/** A Markdown table for each section. */
export function formatMarkdown(results: readonly GpuResult[], head: readonly string[]): string {
  const sections = Map.groupBy(results, ({ section }) => section)
  const lines = [...head]
  for (const [section, rows] of sections) lines.push('', `## ${section}`, '', ...formatTable(rows))
  return `${lines.join('\n')}\n`
}

/** How many checks passed, and a row per result. */
export function formatTable(rows: readonly GpuResult[]): string[] {
  const lines: string[] = []
  const failed = rows.filter(({ ok }) => ok === false).length
  const checks = rows.filter(({ ok }) => ok !== null).length
  if (checks > 0) lines.push(`${checks - failed} of ${checks} checks passed`, '')
  lines.push('| | ours | torch | | ratio | share | |', '|---|---|---|---|---|---|---|')
  for (const { name, ok, ours, theirs, unit, ratio, share, note } of rows) {
    // Hundreds of checks that passed say less than the few that did not.
    if (ok === true && ours === null && rows.length > 40) continue
    const cells = [
      `${ok === false ? '**FAIL** ' : ''}${name}`,
      ours === null ? '' : formatNumber(ours),
      theirs === null ? '' : formatNumber(theirs),
      unit,
      ratio === null ? '' : ratio.toFixed(2),
      share === null ? '' : `${(100 * share).toFixed(0)} %`,
      note,
    ]
    lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`)
  }
  return lines
}

/** Three significant digits or so. */
export function formatNumber(value: number): string {
  const size = Math.abs(value)
  if (size !== 0 && (size < 0.01 || size >= 1e6)) return value.toExponential(2)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4)
}
