/** One thing that is wrong with a configuration, and the path to it. */
import type { ErrorCode } from '../errors.ts'

/** Keys and list positions from the top of a configuration down to one value: `['datasets', 0, 'path']`. */
export type ConfigPath = readonly (string | number)[]

/** One thing that is wrong with a configuration. */
export interface ConfigFailure {
  readonly path: ConfigPath
  /** For example `expected an integer ≥ 1, got "eight"`. */
  readonly what: string
  readonly remedy?: string
  /** E_CONFIG unless said otherwise. */
  readonly code?: ErrorCode
}

/**
 * `['datasets', 0, 'path']` → `datasets[0].path`.
 *
 * @example
 * ```ts
 * import { formatPath } from 'tritune/core'
 *
 * console.log(formatPath(['datasets', 0, 'path'])) // → datasets[0].path
 * ```
 */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const key of path) text += typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`
  return text === '' ? '(the whole configuration)' : text
}
