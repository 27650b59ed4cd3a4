/**
 * One holder at a time, on this machine and on others that share the folder: a lock of the kernel (flock) on an open
 * file. The kernel drops it when the holder is gone, however it ended, so it cannot be stale; process numbers decide
 * nothing. huggingface_hub locks the same way. Where the kernel has no such locks, a heartbeat takes their place.
 * The file names its holder, for people.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { libc, LOCK_EXCLUSIVE_NOW } from '../native/libc.ts'
import { heartbeatLock } from './_heartbeat-lock.ts'
import { discard, errorCode, fileError, temporaryName } from './files.ts'

/** Held until it is disposed, or the process ends. */
export type FileLock = Disposable

export interface LockHolder {
  /** null: the file does not say, because another program holds it. */
  readonly pid: number | null
  readonly host: string | null
  readonly since: Date | null
}

export type LockAttempt =
  | { readonly lock: FileLock; readonly holder?: never }
  | { readonly lock?: never; readonly holder: LockHolder }

export interface LockOptions {
  /** Removes the file when the lock is given back. Default: it stays, empty, for the next. */
  readonly remove?: boolean
}

/** Takes the lock at `path`, or tells who has it. The folder is created. Throws E_FILE, E_DISK. */
export async function tryLock(path: string, { remove = false }: LockOptions = {}): Promise<LockAttempt> {
  const attempt = kernelLock(path, remove)
  if (attempt !== 'unsupported') return attempt
  const lock = await heartbeatLock(`${path}.alive`, describeSelf())
  return lock ? { lock } : { holder: readHolder(`${path}.alive`) }
}

export interface WaitOptions extends LockOptions {
  /** Told when the wait is longer than a moment, and every minute. */
  onWait?(holder: LockHolder): void
}

/** Runs `work` while holding the lock at `path`; waits as long as somebody else holds it. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { onWait = () => {}, ...options }: WaitOptions = {},
): Promise<T> {
  let tell = performance.now() + PATIENCE_MS
  for (;;) {
    const { lock, holder } = await tryLock(path, options)
    if (lock) {
      using _held = lock
      return await work()
    }
    if (performance.now() >= tell) {
      onWait(holder)
      tell = performance.now() + REMIND_MS
    }
    await sleep(POLL_MS)
  }
}

/** `process 123 on vm, since 2026-11-27 10:00:02 UTC`; as far as it is known. */
export function describeHolder({ pid, host, since }: LockHolder): string {
  const who = pid === null ? 'another program' : `process ${pid}`
  const where = host === null ? '' : ` on ${host}`
  if (since === null) return `${who}${where}`
  return `${who}${where}, since ${since.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const POLL_MS = 100
const PATIENCE_MS = 1000
const REMIND_MS = 60_000

function describeSelf(): string {
  return JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
}

function kernelLock(path: string, remove: boolean): LockAttempt | 'unsupported' {
  const c = libc()
  if (!c) return 'unsupported'
  for (;;) {
    const fd = openLockFile(path)
    if (c.flock(fd, LOCK_EXCLUSIVE_NOW) !== 0) {
      closeSync(fd)
      return locksWork(path) ? { holder: readHolder(path) } : 'unsupported'
    }
    if (isStillThere(fd, path)) return { lock: holding(fd, path, remove) }
    // The holder before removed the file while we opened it.
    closeSync(fd)
  }
}

/** For writing; only for reading where the file belongs to another user. */
function openLockFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'a', 0o664)
  } catch (error) {
    if (errorCode(error) !== 'EACCES') throw fileError(error, path, 'cannot lock')
  }
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw fileError(error, path, 'cannot lock')
  }
}

function holding(fd: number, path: string, remove: boolean): FileLock {
  sign(fd, describeSelf())
  let held = true
  return {
    [Symbol.dispose]() {
      if (!held) return
      held = false
      // Before the lock is gone, so that nobody else's file is removed.
      if (remove) discard(path)
      else sign(fd, '')
      closeSync(fd)
    },
  }
}

/** Says who holds it. On a full disk or with a file of another user the lock holds without a name. */
function sign(fd: number, text: string): void {
  try {
    ftruncateSync(fd)
    writeSync(fd, text)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
  }
}

function isStillThere(fd: number, path: string): boolean {
  const mine = fstatSync(fd)
  const there = statSync(path, { throwIfNoEntry: false })
  return there !== undefined && there.ino === mine.ino && there.dev === mine.dev
}

/** A refusal means "somebody has it" only where a file that nobody else knows can be locked. */
function locksWork(path: string): boolean {
  const probe = temporaryName(path)
  try {
    const fd = openSync(probe, 'wx')
    try {
      return libc()?.flock(fd, LOCK_EXCLUSIVE_NOW) === 0
    } finally {
      closeSync(fd)
    }
  } catch {
    // No file can be made here, as on a full disk: then it is refused by who has it.
    return true
  } finally {
    rmSync(probe, { force: true })
  }
}

function readHolder(path: string): LockHolder {
  const nobody = { pid: null, host: null, since: null }
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value !== 'object' || value === null) return nobody
    const { pid, host, since }: { pid?: unknown; host?: unknown; since?: unknown } = value
    const date = typeof since === 'string' ? new Date(since) : null
    return {
      pid: typeof pid === 'number' ? pid : null,
      host: typeof host === 'string' ? host : null,
      since: date === null || Number.isNaN(date.getTime()) ? null : date,
    }
  } catch {
    // Not signed yet, or by another program: it is held all the same.
    return nobody
  }
}
