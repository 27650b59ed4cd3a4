/**
 * What a worker measures of what it sends: for the metrics of a run, and for a word where the codec is too strong for the run.
 */

/** What was sent and received, and what the last message kept. */
export interface UpdateStats {
  readonly rounds: number
  /** δ of the last message; ‖e‖ / ‖u‖ is √(1 − δ). */
  readonly kept: number | null
  /** ‖e‖ / ‖update‖ after the last message. */
  readonly backlog: number | null
  /** Rounds in a row in which the backlog grew. */
  readonly growing: number
  readonly sentBytes: number
  /** Of all messages, without its own. */
  readonly receivedBytes: number
  /** What f32 would have been to send. */
  readonly denseBytes: number
}

/**
 * Those as metrics of a step; before the first message none.
 *
 * @example
 * ```ts
 * import { updateLayout, updateMetrics, updateWorker } from 'tritune/plugins/vsa-optim'
 *
 * const layout = updateLayout(new Map([['w', { shape: [4096] }]]))
 * using worker = updateWorker({ layout, worker: 0, workers: 1, codec: 'ternary' })
 * worker.send(Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)))
 * const { update_kept: kept, sent_bytes: bytes } = updateMetrics(worker.stats)
 * console.log(kept > 0.7, bytes) // → true 862
 * ```
 */
export function updateMetrics({
  kept,
  backlog,
  sentBytes,
  receivedBytes,
}: UpdateStats): Readonly<Record<string, number>> {
  if (kept === null || backlog === null) return {}
  return {
    update_kept: kept,
    update_error_share: Math.sqrt(Math.max(0, 1 - kept)),
    // JSON has no Infinity.
    ...(Number.isFinite(backlog) ? { update_backlog: backlog } : {}),
    sent_bytes: sentBytes,
    received_bytes: receivedBytes,
  }
}

/** Rounds in a row of a growing backlog, and rounds times δ that a run should have: what is sent now waited for about 1/δ rounds. */
const ALARM_ROUNDS = 20
const ROUNDS_TIMES_KEPT = 30

/** What to tell of a codec that is too strong for a run of so many rounds; null: nothing. */
export function updateWarning({ kept, growing }: UpdateStats, totalRounds: number): string | null {
  if (growing >= ALARM_ROUNDS)
    return `what waits to be sent has grown for ${growing} rounds: take a codec that keeps more, or fewer steps a round`
  if (kept === null || kept * totalRounds >= ROUNDS_TIMES_KEPT) return null
  return `a message keeps ${(100 * kept).toFixed(0)} % of what waits, so a run should have ${Math.ceil(ROUNDS_TIMES_KEPT / kept)} rounds and has ${totalRounds}: take a codec that keeps more`
}
