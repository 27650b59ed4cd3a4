/**
 * What the tests of the hub share: a folder for each test, settings that try again at once, and the error of a call.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'

export interface HubSpace extends Disposable {
  readonly path: string
  /** A new folder in it. */
  folder(name: string): string
}

/** Dispose it when the file is done. */
export function hubSpace(): HubSpace {
  const path = mkdtempSync(join(tmpdir(), 'tritune-hub-'))
  return {
    path,
    folder: (name) => mkdtempSync(join(path, `${name}-`)),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** For a hub on this machine: no waiting. */
export const AT_ONCE = { offline: false, retries: 2, retryDelayMs: 1 } as const

/** The error that it ends with; it is one of ours, and there is one. */
export async function failure(work: Promise<unknown>): Promise<TrituneError> {
  try {
    await work
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}
