/**
 * Asking the system to read a part of a file before it is wanted. Advice, on Linux alone: elsewhere, and where the C library cannot be called, nothing
 * happens and the read itself takes its time.
 */
import { openLibc } from './libc.ts'

interface Advice {
  /** posix_fadvise(2): 0, or the number of an error. */
  posix_fadvise(fd: number, position: number, bytes: number, advice: number): number
}

const TABLE = {
  posix_fadvise: { args: ['i32', 'size', 'size', 'i32'], returns: 'i32' },
} as const

const POSIX_FADV_WILLNEED = 3

let advice: Advice | null | undefined

/** Starts to read, and does not wait. True where the system took it. */
export function readAhead(fd: number, position: number, bytes: number): boolean {
  if (process.platform !== 'linux' || bytes <= 0) return false
  if (advice === undefined) advice = openLibc<Advice>(TABLE)?.functions ?? null
  return advice?.posix_fadvise(fd, position, bytes, POSIX_FADV_WILLNEED) === 0
}
