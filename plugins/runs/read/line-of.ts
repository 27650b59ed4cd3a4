/**
 * A line of a file of a run, checked as far as readers rely on it.
 */
import type { RunLines } from '../record/run-lines.ts'

/** Undefined for what is no such line: it is left out. */
export function lineOf<K extends keyof RunLines>(kind: K, value: unknown): RunLines[K] | undefined {
  return isLine(kind, value) ? value : undefined
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const CHECKS: Readonly<Record<keyof RunLines, (value: object) => boolean>> = {
  metrics: (value) => Object.values(value).every((number) => number === null || typeof number === 'number'),
  events: (value) =>
    typeof Reflect.get(value, 'type') === 'string' && typeof Reflect.get(value, 'time') === 'string',
  histograms: (value) =>
    typeof Reflect.get(value, 'name') === 'string' &&
    ['edges', 'counts'].every((name) => {
      const list: unknown = Reflect.get(value, name)
      return Array.isArray(list) && list.every((number) => typeof number === 'number')
    }),
}

function isLine<K extends keyof RunLines>(kind: K, value: unknown): value is RunLines[K] {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'step') === 'number' &&
    CHECKS[kind](value)
  )
}
