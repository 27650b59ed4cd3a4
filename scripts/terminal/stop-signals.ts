/**
 * Signals that stop a training run: the first SIGINT, SIGTERM or SIGHUP asks for a clean stop after the step, a second
 * SIGINT or SIGTERM ends the process at once, also within a step. A terminal that closes may send SIGHUP twice, so that
 * one never ends it; and it stays ignored where the process was started so (`nohup`). Windows has Ctrl-C, Ctrl-Break and the window
 * that is closed (a SIGHUP, after which the system ends the process within seconds); no SIGTERM reaches a process there.
 */
import { Disposables } from '../../core/disposables.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  DEFAULT_HANDLER,
  IGNORE,
  setSignalHandler,
  signalHandler,
  SIGNALS,
} from '../../core/native/signals.ts'
import { siblingModule } from '../_sibling.ts'
import { err } from './streams.ts'
import { SEEN, STATE, UNABLE, type WatcherData } from './signal-watcher.ts'

export interface StopSignals extends Disposable {
  readonly signal: AbortSignal
  /** Takes in what came while the main thread was busy; for between the steps. */
  check(): void
  /** 128 + the number of the signal that asked for the stop: what shells report. */
  exitCode(): number
}

export async function stopOnSignals(): Promise<StopSignals> {
  const controller = new AbortController()
  const shared = new Int32Array(new SharedArrayBuffer(8))
  const check = (): void => {
    if (Atomics.load(shared, SEEN) !== 0) controller.abort()
  }
  const ask = (number: number): void => {
    Atomics.compareExchange(shared, SEEN, 0, number)
    check()
  }
  using parts = new Disposables()
  if (signalHandler(SIGNALS.SIGHUP) !== IGNORE) parts.use(onSignal('SIGHUP', () => ask(SIGNALS.SIGHUP)))
  parts.use((await watchFromThread(shared)) ?? listen(ask))
  // While something else than steps is waited for: an upload.
  const timer = setInterval(check, 100)
  timer.unref()
  parts.use({ [Symbol.dispose]: () => clearInterval(timer) })
  const owned = parts.move()
  return {
    signal: controller.signal,
    check,
    exitCode: () => 128 + (Atomics.load(shared, SEEN) || SIGNALS.SIGINT),
    [Symbol.dispose]: () => owned.dispose(),
  }
}

/** Undefined where there is no C library to ask. */
async function watchFromThread(shared: WatcherData['shared']): Promise<Disposable | undefined> {
  if (signalHandler(SIGNALS.SIGINT) === undefined) return undefined
  const data: WatcherData = { shared }
  const worker = new Worker(siblingModule('./signal-watcher', import.meta.url), { workerData: data })
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  while (Atomics.load(shared, STATE) === 0) await Promise.race([sleep(2), failed])
  if (Atomics.load(shared, STATE) === UNABLE) {
    await worker.terminate()
    return undefined
  }
  worker.unref()
  return {
    [Symbol.dispose]() {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGALRM'] as const)
        setSignalHandler(SIGNALS[name], name === 'SIGALRM' ? IGNORE : DEFAULT_HANDLER)
      void worker.terminate()
    },
  }
}

/** Without the thread: a handler runs between steps, so a second signal is not faster than the first. */
function listen(ask: (number: number) => void): Disposable {
  const parts = new Disposables()
  for (const name of stopNames(process.platform)) {
    const handler = (): void => {
      err.write('\nstopping after this step\n')
      ask(name === 'SIGTERM' ? SIGNALS.SIGTERM : SIGNALS.SIGINT)
      parts.dispose()
    }
    parts.use(onSignal(name, handler))
  }
  return parts
}

/** What asks for a stop beside SIGHUP. A handler for a signal that the system does not have is an error in some runtimes. */
export function stopNames(platform: string): readonly ('SIGINT' | 'SIGTERM' | 'SIGBREAK')[] {
  return platform === 'win32' ? ['SIGINT', 'SIGBREAK'] : ['SIGINT', 'SIGTERM']
}

function onSignal(name: NodeJS.Signals, handler: () => void): Disposable {
  process.on(name, handler)
  return { [Symbol.dispose]: () => void process.off(name, handler) }
}
