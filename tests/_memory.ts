/**
 * Memory that a test counts. A block that is kept for reuse may be two classes larger than what is asked for, so what a
 * test finds in use depends on the tests before it, unless it begins without such blocks.
 */
import { openLibrary } from '../core/native/library.ts'

/** Gives the blocks that the CPU library keeps back to the system. */
export function emptyPool(): void {
  openLibrary('cpu').call.tt_memory_trim()
}
