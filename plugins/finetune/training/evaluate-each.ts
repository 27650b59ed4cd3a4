/**
 * The loss of every example of some batches alone, for strategies that compare windows example by example.
 */
import { agree } from '../../../core/agree.ts'
import { exactJson, fromExactJson } from '../../../core/exact-json.ts'
import { type Batch, concatenate } from '../../data/mod.ts'
import { isOwn } from '../parallel/share-gradients.ts'
import { type EvaluationContext, evaluateLoss } from './evaluate.ts'

/** In their order, without those of which no token is trained; examples go round the processes, and all are told all losses. */
export function evaluateEach(context: EvaluationContext, batches: readonly Batch[]): number[] {
  const { world = null, sharded = null } = context
  const examples = batches
    .flatMap((batch) => batch.examples.map((example) => concatenate([example])))
    .filter(({ trainedTokens }) => trainedTokens > 0)
  // Weights in parts want all processes for every pass.
  if (world === null || sharded !== null) return examples.map((one) => evaluateLoss(context, [one]).loss)
  const alone = { ...context, world: null }
  const own = agree(world, () =>
    examples.filter((_, i) => isOwn(world, i)).map((one) => evaluateLoss(alone, [one]).loss),
  )
  const all = world.gather(exactJson(own)).map((text) => fromExactJson<number[]>(text))
  return examples.map((_, i) => all[i % world.size][Math.floor(i / world.size)])
}
