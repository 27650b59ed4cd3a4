/**
 * metrics.jsonl: one JSON object a line, appended as it happens; the contract between a run and whoever watches it.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { TrituneError } from '../../core/mod.ts'

export type MetricsLine = Readonly<Record<string, number | string | null>>

export interface MetricsFile {
  append(line: MetricsLine): void
}

/** Opens the file; a resumed run keeps the lines up to `keepSteps` and drops what came after, a new one starts empty. */
export function openMetricsFile(
  path: string,
  { keepSteps = 0 }: { readonly keepSteps?: number } = {},
): MetricsFile {
  const kept = existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => stepOf(line) <= keepSteps)
    : []
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''))
  return {
    append(line) {
      try {
        appendFileSync(path, `${JSON.stringify(line)}\n`)
      } catch (cause) {
        throw new TrituneError(
          'E_DISK',
          `cannot append: ${cause instanceof Error ? cause.message : String(cause)}`,
          { place: path, remedy: 'free some space and resume', cause },
        )
      }
    },
  }
}

/** Infinity for a line that was cut off when the run died. */
function stepOf(line: string): number {
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === 'object' && parsed !== null && 'step' in parsed && typeof parsed.step === 'number')
      return parsed.step
  } catch {
    return Infinity
  }
  return Infinity
}
