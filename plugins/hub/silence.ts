/**
 * Watches whether data comes: tells after some seconds for what is waited, and aborts after `silenceMs`.
 */
import type { HubSettings } from './settings.ts'

export interface SilenceWatch {
  /** Aborted when nothing came for `silenceMs`. */
  readonly signal: AbortSignal
  /** Call whenever data arrives. */
  alive(): void
  close(): void
}

const WORTH_TELLING_MS = 10_000

export function watchSilence({ silenceMs, onNote }: HubSettings, what: string): SilenceWatch {
  const controller = new AbortController()
  const tellMs = Math.min(WORTH_TELLING_MS, silenceMs / 2)
  let [last, isTold] = [performance.now(), false]
  let timer = setTimeout(look, tellMs)

  // Not a timer for each piece of data: there are millions of them.
  function look(): void {
    const silence = performance.now() - last
    if (silence >= silenceMs) return controller.abort(new Error(`no data for ${silenceMs / 1000} s`))
    if (silence >= tellMs && !isTold) {
      isTold = true
      onNote(`waiting for ${what}: no data for ${seconds(silence)} s; given up after ${seconds(silenceMs)} s`)
    }
    timer = setTimeout(look, Math.max(1, (silence >= tellMs ? silenceMs : tellMs) - silence))
  }

  return {
    signal: controller.signal,
    alive() {
      last = performance.now()
      isTold = false
    },
    close: () => clearTimeout(timer),
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
