/**
 * A file of JSON lines with the steps of a run: appended as it happens, cut back where a run is resumed.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { fileError } from '../../../core/files/files.ts'

/** The lines of one file. */
export interface StepLines<T> {
  /** A resumed run keeps the lines up to its step and drops what came after, a new one (step 0) starts empty. */
  begin(step: number): void
  append(line: T): void
}

/** Nothing is written before `begin()`. Throws E_FILE, E_DISK. */
export function stepLines<T extends { readonly step?: number }>(path: string): StepLines<T> {
  return {
    begin: (step) => writeFileAtomic(path, keptLines(path, step)),
    append(line) {
      try {
        appendFileSync(path, `${JSON.stringify(line)}\n`)
      } catch (error) {
        throw fileError(error, path, 'cannot append')
      }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function keptLines(path: string, steps: number): string {
  if (steps === 0 || !existsSync(path)) return ''
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => stepOf(line) <= steps)
  return kept.map((line) => `${line}\n`).join('')
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
