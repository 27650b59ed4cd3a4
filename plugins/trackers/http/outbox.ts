/**
 * What waits to be sent to a tracker: sent in batches beside the run, tried again while a server is away, bounded. The run never waits for it but at its end, and
 * then not for long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TrituneError } from '../../../core/mod.ts'
import { TryLater } from './request-json.ts'

/** How an outbox sends. */
export interface OutboxOptions<T> {
  /** Sends some; throws TryLater where the same may go through later. Called one after the other. */
  send(items: readonly T[]): Promise<void>
  /** Between two batches. Default: 2 s. */
  readonly everyMs?: number
  /** The first wait before trying again; it doubles up to a minute. Default: 1 s. */
  readonly againMs?: number
  /** More than so many do not wait: the oldest go. Default: 100,000. */
  readonly most?: number
  /** How long the end of the run waits. Default: 30 s. */
  readonly patienceMs?: number
}

/** Things to send. */
export interface Outbox<T> {
  /** Throws what ended the sending. */
  add(item: T): void
  /** Sends what is left. Rejects with what ended the sending, or E_NETWORK when not all went through in time. */
  end(): Promise<void>
}

const LONGEST_WAIT_MS = 60_000
const BATCH = 1000

export function createOutbox<T>({
  send,
  everyMs = 2000,
  againMs = 1000,
  most = 100_000,
  patienceMs = 30_000,
}: OutboxOptions<T>): Outbox<T> {
  const waiting: T[] = []
  const ending = new AbortController()
  let onItsWay: readonly T[] = []
  let dropped = 0
  let failure: unknown
  let said = ''
  let working: Promise<void> | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Until nothing waits, or it cannot go on. */
  const sendAll = async (): Promise<void> => {
    for (let wait = againMs; failure === undefined;) {
      if (onItsWay.length === 0) onItsWay = waiting.splice(0, BATCH)
      if (onItsWay.length === 0) return
      try {
        await send(onItsWay)
        onItsWay = []
        wait = againMs
      } catch (error) {
        if (!(error instanceof TryLater)) failure = error
        else {
          said = error.message
          await pause(wait)
          wait = Math.min(2 * wait, ending.signal.aborted ? againMs : LONGEST_WAIT_MS)
        }
      }
    }
  }
  /** The end of the run cuts it short. */
  const pause = async (ms: number): Promise<void> => {
    const { signal } = ending
    await sleep(ms, undefined, signal.aborted ? {} : { signal, ref: false }).catch(() => {})
  }
  const start = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    return (working ??= sendAll().finally(() => {
      working = null
    }))
  }
  return {
    add(item) {
      if (failure !== undefined) throw failure
      waiting.push(item)
      if (waiting.length > most) {
        waiting.shift()
        dropped += 1
      }
      if (working !== null || timer !== undefined) return
      timer = setTimeout(() => void start(), everyMs)
      timer.unref()
    },
    async end() {
      ending.abort()
      const over = new AbortController()
      await Promise.race([start(), sleep(patienceMs, undefined, { signal: over.signal }).catch(() => {})])
      over.abort()
      const lost = waiting.length + onItsWay.length + dropped
      failure ??=
        lost === 0
          ? undefined
          : new TrituneError(
              'E_NETWORK',
              `${lost} of the run's lines were not sent: ${said || 'no answer came'}`,
              {
                remedy: 'metrics.jsonl in output_dir has every number',
              },
            )
      if (failure !== undefined) throw failure
    },
  }
}
