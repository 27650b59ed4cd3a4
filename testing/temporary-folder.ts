/**
 * A folder that is gone with its content when it is disposed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of its own: `using folder = temporaryFolder()`. */
export interface TemporaryFolder extends Disposable {
  readonly path: string
}

/**
 * Makes an empty folder among the system's temporary ones; it is removed with its content when it is disposed.
 *
 * @example
 * ```ts
 * import { existsSync } from 'node:fs'
 * import { temporaryFolder } from 'tritune/testing'
 *
 * let place: string
 * {
 *   using folder = temporaryFolder()
 *   place = folder.path
 * }
 * console.log(existsSync(place)) // → false
 * ```
 */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'tritune-contract-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
