/**
 * The mean loss over the trained tokens (or examples) of some batches, in nats; nothing is recorded and nothing dropped.
 */
import {
  createReadback,
  type Device,
  type Model,
  noGrad,
  type Objective,
  type ObjectiveResult,
  tensorScope,
  TrituneError,
  type World,
} from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import { hasEqualShare, isOwn, shareNumbers, type WindowNumbers } from '../parallel/share-gradients.ts'
import type { ShardedBase } from '../parallel/sharded-base.ts'
import { crossEntropyObjective } from './cross-entropy.ts'
import { objectiveBatch } from './objective-batch.ts'

/** What `evaluateLoss()` evaluates. */
export interface EvaluationContext {
  readonly model: Model
  readonly device: Device
  /** Default: linear cross-entropy. */
  readonly objective?: Objective
  /** The processes that share the batches; default: this one alone. */
  readonly world?: World | null
  /** With `shard_base`: for the passes that all processes make together. */
  readonly sharded?: Pick<ShardedBase, 'together'> | null
}

/** What an evaluation found: means over the trained tokens, or over the examples where the objective says so. */
export interface Evaluation {
  readonly loss: number
  /** Trained tokens of the batches. */
  readonly tokens: number
  /** What the objective reports besides, by name. */
  readonly metrics: Readonly<Record<string, number>>
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
export function evaluateLoss(context: EvaluationContext, batches: Iterable<Batch>): Evaluation {
  const { sharded = null } = context
  return sharded ? sharded.together(() => evaluateAll(context, batches)) : evaluateAll(context, batches)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function evaluateAll(
  { model, device, objective = crossEntropyObjective, world = null, sharded = null }: EvaluationContext,
  batches: Iterable<Batch>,
): Evaluation {
  using readback = createReadback()
  const numbers = new Map<string, (() => Float32Array)[]>()
  const byExample = objective.averagedOver === 'examples'
  // Only what is averaged over examples looks at all of them at once: texts of any size go by one batch at a time.
  const all = byExample ? [...batches] : batches
  const together = Array.isArray(all) ? all.flatMap(({ examples }) => examples) : null
  let trained = 0
  let index = 0
  const lossOf = (batch: Batch): ObjectiveResult =>
    objective.loss(model, objectiveBatch(batch, device), {
      scale: 1,
      window: together ?? batch.examples,
      checkpointing: false,
      training: false,
    })
  let last: Batch | null = null
  for (const batch of all) {
    if (batch.trainedTokens === 0) continue
    last = batch
    trained += batch.trainedTokens
    if (!isOwn(world, index++)) continue
    noGrad(() => {
      using _scope = tensorScope()
      const { loss, log = {} } = lossOf(batch)
      for (const [name, value] of Object.entries({ ...log, loss })) {
        const reads = numbers.get(name) ?? []
        numbers.set(name, reads)
        reads.push(readback.later(value))
      }
    })
  }
  // Who has fewer batches comes to the weights as often as the others.
  if (sharded !== null && last !== null && !hasEqualShare(world, index)) {
    const again = last
    noGrad(() => {
      using _scope = tensorScope()
      lossOf(again)
    })
  }
  if (trained === 0)
    throw new TrituneError('E_DATA', 'the evaluation set has no trained token', {
      remedy: 'check the masks with --dry-run',
    })
  const over = byExample && together ? together.length : trained
  const sums = (): WindowNumbers => {
    const { loss = 0, ...log } = Object.fromEntries(
      Array.from(numbers, ([name, reads]) => [name, reads.reduce((sum, read) => sum + read()[0], 0)]),
    )
    return { loss, log }
  }
  const { loss, log } = world === null ? sums() : shareNumbers(world, sums)
  const metrics = Object.fromEntries(Object.entries(log).map(([name, sum]) => [name, sum / over]))
  return { loss: loss / over, tokens: trained, metrics }
}
