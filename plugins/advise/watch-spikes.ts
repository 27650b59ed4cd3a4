/**
 * The watchdog of loss spikes: tells when the loss jumps, when that is over, and when it does not come back. It stops nothing: what ends a run is
 * `loss_watchdog_threshold`. docs/advise/spike-watchdog.md
 */
import { median, spread, wholeOf } from './_statistics.ts'

/** What the watchdog remembers; plain JSON. */
export interface SpikeState {
  /** Losses of the last steps without those of spikes, oldest first. */
  readonly calm: readonly number[]
  /** The spike that lasts; null: there is none. */
  readonly spike: {
    /** What the loss was before. */
    readonly base: number
    readonly highest: number
    /** Steps that it has lasted. */
    readonly steps: number
  } | null
}

/** What `watchSpikes()` says of a step: the loss jumped, it came back, or it has stayed up for too long. */
export type SpikeEvent = 'spike' | 'over' | 'lasting'

/** Options of `watchSpikes()`. */
export interface SpikeOptions {
  /** Times the middle of the last losses; default 1.5. */
  readonly ratio?: number
  /** Times the scatter of the last losses above their middle; default 6. */
  readonly scatters?: number
  /** A spike is over below this part of its height; default 0.3. */
  readonly recovery?: number
  /** Steps until a spike is said to last; default 20. */
  readonly patience?: number
}

const REMEMBERED = 32
const LEAST = 10

/** Where a watchdog starts. */
export const NO_SPIKE: SpikeState = { calm: [], spike: null }

/**
 * The next state, and what is to be told. A spike that has lasted `patience` steps is told once, and its level is then what the loss is compared with.
 *
 * @example
 * ```ts
 * import { NO_SPIKE, watchSpikes } from 'tritune/plugins/advise'
 *
 * let state = NO_SPIKE
 * const told = [2, 2.1, 1.9, 2, 2.1, 2, 1.9, 2, 2.1, 2, 7, 2.1].map((loss) => {
 *   const { state: next, event } = watchSpikes(state, loss)
 *   state = next
 *   return event
 * })
 * console.log(told.slice(-2)) // → [ 'spike', 'over' ]
 * ```
 */
export function watchSpikes(
  { calm, spike }: SpikeState,
  loss: number,
  { ratio = 1.5, scatters = 6, recovery = 0.3, patience = 20 }: SpikeOptions = {},
): { readonly state: SpikeState; readonly event: SpikeEvent | null } {
  if (spike) {
    const highest = Math.max(spike.highest, Number.isFinite(loss) ? loss : Infinity)
    const steps = spike.steps + 1
    if (loss <= spike.base + recovery * (Math.min(highest, Number.MAX_VALUE) - spike.base))
      return { state: { calm: remember(calm, loss), spike: null }, event: 'over' }
    if (steps >= patience) return { state: NO_SPIKE, event: 'lasting' }
    return { state: { calm, spike: { ...spike, highest, steps } }, event: null }
  }
  const base = median(calm)
  const jumps =
    calm.length >= LEAST && loss > base + (ratio - 1) * wholeOf(base) && loss > base + scatters * spread(calm)
  if (!Number.isFinite(loss) || jumps)
    return { state: { calm, spike: { base, highest: loss, steps: 0 } }, event: 'spike' }
  return { state: { calm: remember(calm, loss), spike: null }, event: null }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function remember(calm: readonly number[], loss: number): readonly number[] {
  return [...calm, loss].slice(-REMEMBERED)
}
