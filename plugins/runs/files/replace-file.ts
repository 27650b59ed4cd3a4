/**
 * Puts a new file in the place of an old one, so that readers see the one or the other, whole. Unlike `writeFileAtomic` it does not wait for the disk: for what is
 * written again soon. A machine that loses its power may be left with the one of before.
 */
import { writeFileSync } from 'node:fs'
import { discard, fileError, temporaryName } from '../../../core/files/files.ts'
import { rename } from '../../../core/files/rename.ts'

/** Throws E_FILE, E_DISK; the old file stays then. */
export function replaceFile(path: string, text: string): void {
  const temporary = temporaryName(path)
  try {
    writeFileSync(temporary, text)
    rename(temporary, path)
  } catch (error) {
    discard(temporary)
    throw fileError(error, path, 'cannot write')
  }
}
