/**
 * The step of a hybrid run, guarded: what the monitor sees is undone before it does harm. Weights go back to the last ones whose loss was fine; moments are
 * those of the steps that were made.
 */
import {
  type BeforeUpdate,
  type JsonValue,
  jsonField,
  referenceDevice,
  type StepContext,
  type StepResult,
  type Tensor,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import { type FlatWeights, numbersIn } from './flat-weights.ts'
import { createMonitor } from './monitor.ts'

/** Steps between two copies of the weights. */
const SPACING = 8

/** Of the learning rate after a step that gave NaN. */
const SLOWER = 0.5

/** Guards steps; tensors and state are for checkpoints. */
export interface Guard extends Disposable {
  /** Once for each step, before its weights are moved. */
  watch(context: Pick<StepContext, 'step' | 'beforeUpdate'>): void
  /** The step that `next` makes, or what can be made of it. Throws E_NAN where weights that were fine give NaN too. */
  make(next: () => StepResult): StepResult
  readonly tensor: Tensor
  /** On the host, beside the tensor. */
  readonly scratchBytes: number
  saveState(): JsonValue
  loadState(saved: JsonValue): void
}

/** `onRollback` is told that the weights are earlier ones. */
export function createGuard(weights: FlatWeights, onRollback: () => void): Guard {
  const monitor = createMonitor()
  // Weights before some step; they are fine once its loss was.
  const fine = zeros([weights.size], { device: referenceDevice })
  const newest = new Float32Array(weights.size)
  let hasFine = false
  let factor = 1
  let told: Record<string, number> = {}

  const rollBack = (): void => {
    weights.write(numbersIn(fine))
    newest.set(numbersIn(fine))
    monitor.forgetLosses()
    told['hybrid_rolled_back'] = 1
    onRollback()
  }
  /** The factor on the rate of a step that has found this. */
  const check = ({ loss, gradNorm }: BeforeUpdate, isCopied: boolean): number => {
    const { verdict, deviations } = monitor.judgeLoss(loss)
    if (verdict !== 'fine') told['hybrid_deviations'] = deviations
    if (verdict === 'roll back' && hasFine) {
      rollBack()
      return 0
    }
    if (verdict === 'fine' && isCopied) {
      numbersIn(fine).set(newest)
      hasFine = true
    }
    if (!monitor.isTooLong(gradNorm)) return factor
    told['hybrid_skipped'] = 1
    return 0
  }

  return {
    watch(context) {
      told = {}
      const isCopied = context.step % SPACING === 0
      if (isCopied) weights.read(newest)
      context.beforeUpdate((found) => check(found, isCopied))
    },
    make(next) {
      try {
        return withTold(next(), told)
      } catch (error) {
        if (!(error instanceof TrituneError) || error.code !== 'E_NAN' || !hasFine) throw error
        rollBack()
        factor *= SLOWER
        told['hybrid_rate_factor'] = factor
        return withTold(next(), told)
      }
    },
    tensor: fine,
    scratchBytes: newest.byteLength,
    saveState: () => ({ hasFine, factor, monitor: monitor.saveState() }),
    loadState(saved) {
      hasFine = jsonField(saved, 'hasFine') === true
      factor = Number(jsonField(saved, 'factor') ?? Number.NaN)
      if (!(factor > 0)) throw unguarded()
      monitor.loadState(jsonField(saved, 'monitor'))
    },
    [Symbol.dispose]: () => fine.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function withTold({ loss, metrics }: StepResult, told: Readonly<Record<string, number>>): StepResult {
  return { loss, metrics: { ...metrics, ...told } }
}

function unguarded(): TrituneError {
  return new TrituneError(
    'E_RESUME',
    'the checkpoint is of a strategy: hybrid that did not watch its steps',
    {
      remedy: 'resume from another checkpoint, or start a new run',
    },
  )
}
