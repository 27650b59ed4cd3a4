/**
 * Renames a file or folder over what has the name. On POSIX systems that always goes; on Windows it is refused while any program has
 * the old one (or, of a folder, a file in it) open, and virus scanners have each new file open for a moment: there it is tried for a while.
 */
import { renameSync } from 'node:fs'
import { errorCode } from './files.ts'

export interface RenameFacts {
  readonly platform: string
  rename(from: string, to: string): void
  /** Blocks for so long. */
  wait(milliseconds: number): void
}

/** Throws what the system does. */
export function rename(from: string, to: string, { platform, rename: once, wait }: RenameFacts = THIS): void {
  const waits = platform === 'win32' ? WAITS_MS : []
  for (let attempt = 0; ; attempt++) {
    try {
      return once(from, to)
    } catch (error) {
      if (attempt >= waits.length || !IN_USE.has(errorCode(error) ?? '')) throw error
      wait(waits[attempt])
    }
  }
}

/** About two seconds in all: what is open for longer is open for a reason. */
const WAITS_MS: readonly number[] = [10, 20, 50, 100, 200, 400, 600, 600]
const IN_USE: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EBUSY'])

const THIS: RenameFacts = {
  platform: process.platform,
  rename: renameSync,
  wait: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
}
