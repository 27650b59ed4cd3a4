/**
 * The mean loss over the trained tokens of some batches, in nats; nothing is recorded and nothing dropped.
 */
import {
  createReadback,
  type Device,
  type Model,
  noGrad,
  type Objective,
  tensor,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import { createBatch } from '../../models/mod.ts'
import { crossEntropyObjective } from './cross-entropy.ts'

/** What `evaluateLoss()` evaluates. */
export interface EvaluationContext {
  readonly model: Model
  readonly device: Device
  /** Default: linear cross-entropy. */
  readonly objective?: Objective
}

/**
 * E_DATA when no token of the batches is trained.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { concatenate } from 'tritune/plugins/data'
 * import { evaluateLoss } from 'tritune/plugins/finetune'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * const device = openCpu()
 * using model = loadModel('my-model', { device })
 * const ids = Int32Array.of(1, 5, 9, 2)
 * const batch = concatenate([{ ids, labels: ids, source: { file: 'here', line: 1 } }])
 * const { loss, tokens } = evaluateLoss({ model, device }, [batch])
 * console.log(Math.exp(loss) > 1, tokens) // → true 3
 * ```
 */
export function evaluateLoss(
  { model, device, objective = crossEntropyObjective }: EvaluationContext,
  batches: Iterable<Batch>,
): { loss: number; tokens: number } {
  using readback = createReadback()
  const losses: (() => Float32Array)[] = []
  let trained = 0
  for (const batch of batches) {
    if (batch.trainedTokens === 0) continue
    trained += batch.trainedTokens
    noGrad(() => {
      using _scope = tensorScope()
      const targets = tensor(batch.targets, { dtype: 'i32', device })
      const { loss } = objective.loss(
        model,
        { tokens: createBatch(batch, device), targets, trainedTokens: batch.trainedTokens },
        { scale: 1, checkpointing: false, training: false },
      )
      losses.push(readback.later(loss))
    })
  }
  if (trained === 0)
    throw new TrituneError('E_DATA', 'the evaluation set has no trained token', {
      remedy: 'check the masks with --dry-run',
    })
  return { loss: losses.reduce((sum, read) => sum + read()[0], 0) / trained, tokens: trained }
}
