/**
 * A line of the oracle's table, and the table.
 */
export interface Row {
  readonly name: string
  /** What was measured. */
  readonly measured: string
  /** What is allowed. */
  readonly tolerance: string
  readonly ok: boolean
  /** Said when it is not ok. */
  readonly detail?: string
}

/** A number that must not be above its tolerance; NaN is above any. */
export function atMost(name: string, measured: number, tolerance: number, detail?: string): Row {
  return {
    name,
    measured: measured.toExponential(2),
    tolerance: `≤ ${tolerance.toExponential(0)}`,
    ok: measured <= tolerance,
    detail,
  }
}

/** Something that must be so. */
export function mustBe(name: string, measured: string, wanted: string, ok: boolean, detail?: string): Row {
  return { name, measured, tolerance: wanted, ok, detail }
}

export function formatRow({ name, measured, tolerance, ok, detail }: Row): string {
  const line = `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(58)} ${measured.padStart(14)}  ${tolerance}`
  return ok || !detail ? line : `${line}\n        ${detail}`
}
