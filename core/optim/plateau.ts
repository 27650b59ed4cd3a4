/**
 * A learning rate that falls when evaluations no longer get better: torch.optim.lr_scheduler.ReduceLROnPlateau, of losses. It is no
 * function of the step, so it has a state.
 */
import { jsonField, type JsonValue, type Stateful } from '../contracts/stateful.ts'
import { TrituneError } from '../errors.ts'

/** Options of `plateau()`; defaults as in torch. */
export interface PlateauOptions {
  /** The rate is multiplied by it. */
  readonly factor?: number
  /** Evaluations without a better one that are borne. */
  readonly patience?: number
  /** How much lower a loss must be to count as better. */
  readonly threshold?: number
  /** `rel`: a part of the best one. */
  readonly thresholdMode?: 'rel' | 'abs'
  /** Evaluations after a fall that do not count. */
  readonly cooldown?: number
  /** As a part of the peak rate. */
  readonly minRatio?: number
  /** Smaller falls, as a part of the peak rate, are not made. */
  readonly eps?: number
}

/** A schedule that is told of evaluations. */
export interface Plateau extends Stateful {
  /** Factor on the peak rate. */
  readonly factor: number
  onEvaluation(loss: number): void
}

/**
 * Starts at a factor of 1.
 *
 * @example
 * ```ts
 * import { plateau } from 'tritune/core'
 *
 * const rate = plateau({ patience: 0, factor: 0.5 })
 * for (const loss of [2, 1, 1]) rate.onEvaluation(loss)
 * console.log(rate.factor) // → 0.5
 * ```
 */
export function plateau({
  factor: fall = 0.1,
  patience = 10,
  threshold = 1e-4,
  thresholdMode = 'rel',
  cooldown = 0,
  minRatio = 0,
  eps = 0,
}: PlateauOptions = {}): Plateau {
  let [factor, bad, cooling]: [number, number, number] = [1, 0, 0]
  let best: number | null = null
  const isBetter = (loss: number): boolean =>
    best === null || loss < (thresholdMode === 'rel' ? best * (1 - threshold) : best - threshold)
  return {
    get factor() {
      return factor
    },
    onEvaluation(loss) {
      if (isBetter(loss)) {
        best = loss
        bad = 0
      } else bad++
      if (cooling > 0) {
        cooling--
        bad = 0
      }
      if (bad <= patience) return
      const next = Math.max(factor * fall, minRatio)
      if (factor - next > eps) factor = next
      cooling = cooldown
      bad = 0
    },
    saveState: () => ({ factor, bad, cooling, best }),
    loadState(saved) {
      factor = numberIn(saved, 'factor')
      bad = numberIn(saved, 'bad')
      cooling = numberIn(saved, 'cooling')
      best = jsonField(saved, 'best') === null ? null : numberIn(saved, 'best')
    },
  }
}

function numberIn(saved: JsonValue, name: string): number {
  const value = jsonField(saved, name)
  if (typeof value === 'number') return value
  throw new TrituneError('E_RESUME', `the state of the learning rate has no number "${name}"`)
}
