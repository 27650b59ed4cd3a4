/**
 * When a run diverges: the loss far above what it has been, or a gradient far longer. A loss that falls is never a fault. Both are judged before the step changes
 * anything.
 */
import { type JsonValue, jsonField, TrituneError } from '../../core/mod.ts'

/** Of the mean of the loss and of its variance, from step to step. */
const SMOOTHING = 0.98

/** Standard deviations above the mean. */
const WARN = 3
const ROLL_BACK = 6

/** A gradient so many times as long as the median is not followed. */
const LONGEST = 10

/** Norms that the median is of. */
const NORMS = 64

/** Before so many steps nothing is known. */
const ENOUGH = 20

/** Deviations below this part of the mean are none: a loss may be the same at every step. */
const SMALLEST = 1e-3

/** `warn`: above 3 deviations. `roll back`: above 6. */
export type LossVerdict = 'fine' | 'warn' | 'roll back'

/** Watches losses and norms. */
export interface Monitor {
  /** Of the next step; it knows of it afterwards. */
  judgeLoss(loss: number): { readonly verdict: LossVerdict; readonly deviations: number }
  /** Far longer than the median so far. */
  isTooLong(gradNorm: number): boolean
  /** After a rollback: what the loss has been says nothing of what it will be. */
  forgetLosses(): void
  saveState(): JsonValue
  loadState(saved: JsonValue): void
}

export function createMonitor(): Monitor {
  let seen = 0
  let mean = 0
  let variance = 0
  let norms: number[] = []

  const learn = (loss: number): void => {
    // All alike until there are enough of them for the smoothing.
    const weight = Math.max(1 - SMOOTHING, 1 / ++seen)
    const difference = loss - mean
    mean += weight * difference
    variance = (1 - weight) * (variance + weight * difference ** 2)
  }

  return {
    judgeLoss(loss) {
      const deviation = Math.max(Math.sqrt(variance), SMALLEST * Math.abs(mean))
      const deviations = seen < ENOUGH || deviation === 0 ? 0 : (loss - mean) / deviation
      // A jump must not teach that jumps are usual.
      learn(deviations > WARN ? mean + WARN * deviation : loss)
      const verdict = deviations > ROLL_BACK ? 'roll back' : deviations > WARN ? 'warn' : 'fine'
      return { verdict, deviations }
    },
    isTooLong(gradNorm) {
      const isSo = norms.length >= ENOUGH && gradNorm > LONGEST * medianOf(norms)
      norms = [...norms.slice(1 - NORMS), gradNorm]
      return isSo
    },
    forgetLosses() {
      seen = mean = variance = 0
    },
    saveState: () => ({ seen, mean, variance, norms: [...norms] }),
    loadState(saved) {
      seen = numberIn(jsonField(saved, 'seen'))
      mean = numberIn(jsonField(saved, 'mean'))
      variance = numberIn(jsonField(saved, 'variance'))
      const kept = jsonField(saved, 'norms')
      norms = Array.isArray(kept) ? kept.map(numberIn) : []
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

function numberIn(saved: JsonValue): number {
  if (typeof saved === 'number') return saved
  throw new TrituneError('E_RESUME', 'the checkpoint has no losses that strategy: hybrid has watched', {
    remedy: 'resume from another checkpoint, or start a new run',
  })
}
