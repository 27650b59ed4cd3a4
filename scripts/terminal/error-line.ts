/**
 * An error as an object for programs: what `--json` prints for any command.
 */
import { ConfigError, formatPath } from '../../core/contracts/config.ts'
import { TrituneError } from '../../core/errors.ts'

export interface ErrorLine {
  readonly type: 'error'
  /** A code of `TrituneError`, or E_BUG. */
  readonly code: string
  readonly what: string
  /** `file:line:column`, a path, a tensor…; null: nowhere in particular. */
  readonly where: string | null
  readonly remedy: string | null
  /** Every fault of a configuration, in the order of the file; one for any other error. */
  readonly faults: readonly Fault[]
  readonly exitCode: number
}

export interface Fault {
  readonly code: string
  /** Of the configuration, `datasets[0].path`; null: it is about no key. */
  readonly key: string | null
  readonly what: string
  readonly where: string | null
  readonly remedy: string | null
}

/** 2 for wrong usage, else 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof TrituneError && error.code === 'E_USAGE' ? 2 : 1
}

export function errorLine(error: unknown): ErrorLine {
  const faults = faultsOf(error)
  const [{ code, what, where, remedy }] = faults
  return { type: 'error', code, what, where, remedy, faults, exitCode: exitCodeOf(error) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function faultsOf(error: unknown): readonly [Fault, ...Fault[]] {
  if (error instanceof ConfigError) {
    const [first, ...others] = error.failures.map(({ path, what, remedy, code = 'E_CONFIG' }, i) => {
      const key = path.length === 0 ? null : formatPath(path)
      return { code, key, what, where: placeOnly(error.places[i], key), remedy: remedy ?? null }
    })
    return [first, ...others]
  }
  if (error instanceof TrituneError) {
    const { code, what, place = null, remedy = null } = error
    return [{ code, key: null, what, where: place, remedy }]
  }
  const what = error instanceof Error ? error.message : String(error)
  return [{ code: 'E_BUG', key: null, what, where: null, remedy: null }]
}

/** `my.yaml:3:1 lora_r` → `my.yaml:3:1`; a place that is the key alone is none. */
function placeOnly(place: string, key: string | null): string | null {
  if (place === (key ?? '(the whole configuration)')) return null
  const ofFile = !place.startsWith('--set ')
  return ofFile && key !== null && place.endsWith(` ${key}`) ? place.slice(0, -key.length - 1) : place
}
