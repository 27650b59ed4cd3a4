/**
 * A thread that learns of SIGINT and SIGTERM at once, also while the main thread computes for seconds and can run no
 * handler. Bun gives signals to the main thread only, so the kernel's handler is a function of the C library that may
 * run at any moment and leaves a trace: `alarm(number of the signal)`. The thread looks at the alarm clock, which tells
 * which signal came. An alarm that goes off in between is set again by itself, so that no signal is lost.
 *
 * The first signal asks for a stop, the second one ends the process by that signal, as if nobody had handled it. One
 * Ctrl-C can arrive twice at the same moment: `bun run` passes on what the terminal has sent to both.
 */
import { writeSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'
import { libc, type Libc, libcAddress } from '../../core/native/libc.ts'
import { DEFAULT_HANDLER, setSignalHandler, SIGNALS } from '../../core/native/signals.ts'

export interface WatcherData {
  /** At SEEN and STATE. */
  readonly shared: Int32Array<SharedArrayBuffer>
}

/** The number of the signal that asked for the stop; 0: none. */
export const SEEN = 0
/** 0 while the thread starts, then one of these. */
export const STATE = 1
export const WATCHING = 1
/** There is no C library to ask. */
export const UNABLE = 2

const POLL_MS = 40
/** Signals closer together come from one press of the keys. */
const ONE_PRESS_MS = 400

function watch(c: Libc, alarm: number, { shared }: WatcherData): void {
  const { SIGALRM, SIGINT, SIGTERM } = SIGNALS
  for (const signal of [SIGALRM, SIGINT, SIGTERM]) setSignalHandler(signal, alarm)
  let first = 0
  setInterval(() => {
    const left = c.alarm(0)
    if (left === 0) return
    const signal = left <= SIGINT ? SIGINT : SIGTERM
    const now = performance.now()
    if (first === 0) {
      first = now
      Atomics.compareExchange(shared, SEEN, 0, signal)
      say('\nstopping after this step; once more to stop at once\n')
    } else if (now - first > ONE_PRESS_MS) {
      say('\nstopped at once\n')
      setSignalHandler(signal, DEFAULT_HANDLER)
      process.kill(process.pid, signal)
    }
  }, POLL_MS)
  Atomics.store(shared, STATE, WATCHING)
}

function say(text: string): void {
  try {
    writeSync(2, text)
  } catch {
    // The terminal is gone.
  }
}

if (!isMainThread) {
  const c = libc()
  const alarm = libcAddress('alarm')
  const data: WatcherData = workerData
  if (c !== null && alarm !== null) watch(c, alarm, data)
  else Atomics.store(data.shared, STATE, UNABLE)
}
