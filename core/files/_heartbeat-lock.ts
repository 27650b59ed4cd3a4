/**
 * A lock for places without locks of the kernel: a file whose time a thread of the holder renews every second. A file
 * that stands still for long belongs to a dead holder. Clocks of machines are not compared: who waits watches with
 * his own. Weaker than the kernel's: a holder that is frozen for longer than that loses the lock.
 */
import { closeSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { discard, errorCode, openExclusive, writeAll } from './files.ts'

export interface HeartbeatOptions {
  readonly beatMs?: number
  /** Without a beat for so long, the holder counts as dead. */
  readonly deadMs?: number
}

/** The lock, or null when somebody living holds it. Waits for a beat to tell. */
export async function heartbeatLock(
  path: string,
  signature: string,
  { beatMs = 1000, deadMs = 20_000 }: HeartbeatOptions = {},
): Promise<Disposable | null> {
  for (;;) {
    const fd = openExclusive(path)
    if (fd !== undefined) {
      writeAll(fd, new TextEncoder().encode(signature), path)
      closeSync(fd)
      return beating(path, beatMs)
    }
    const first = pulse(path)
    if (first === null) continue
    const now = await nextPulse(path, first, { beatMs, deadMs })
    if (now === first) discard(path)
    else if (now !== null) return null
  }
}

/** What the pulse is when it changes, or what it was when it never does. */
async function nextPulse(
  path: string,
  first: string,
  { beatMs, deadMs }: Required<HeartbeatOptions>,
): Promise<string | null> {
  const until = performance.now() + deadMs
  for (;;) {
    const now = pulse(path)
    if (now !== first || performance.now() >= until) return now
    await sleep(beatMs / 2)
  }
}

function beating(path: string, beatMs: number): Disposable {
  // A thread of its own, because a training step may block this one for minutes.
  const worker = new Worker(BEAT, { eval: true, workerData: { path, beatMs } })
  worker.unref()
  return {
    [Symbol.dispose]() {
      void worker.terminate()
      discard(path)
    },
  }
}

const BEAT = `
const { utimesSync } = require('node:fs')
const { workerData: { path, beatMs } } = require('node:worker_threads')
setInterval(() => { const now = new Date(); try { utimesSync(path, now, now) } catch {} }, beatMs)
`

/** What changes with every beat and every holder; null when nobody holds it. */
function pulse(path: string): string | null {
  try {
    return `${statSync(path).mtimeMs} ${readFileSync(path, 'utf8')}`
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}
