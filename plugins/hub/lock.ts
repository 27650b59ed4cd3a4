/** One process at a time: a lock file that names its owner, so that the lock of a killed process does not block. */

import { closeSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode, isAlive, openExclusive, writeAll } from '../../core/files/files.ts'

/** Runs `work` while holding the lock at `path`; waits as long as another living process holds it. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true })
  while (!acquire(path)) await sleep(POLL_MS)
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

const POLL_MS = 100
const UNSIGNED_MS = 5000

function acquire(path: string): boolean {
  const fd = openExclusive(path)
  if (fd !== undefined) {
    writeAll(fd, new TextEncoder().encode(`${hostname()} ${process.pid}`), path)
    closeSync(fd)
    return true
  }
  if (isAbandoned(path)) rmSync(path, { force: true })
  return false
}

function isAbandoned(path: string): boolean {
  try {
    const owner = readFileSync(path, 'utf8')
    // Killed between creating and signing it.
    if (owner === '') return Date.now() - statSync(path).mtimeMs > UNSIGNED_MS
    const [host, pid] = owner.split(' ')
    return host === hostname() && Number(pid) > 0 && !isAlive(Number(pid))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
