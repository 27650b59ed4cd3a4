/**
 * What losses over pairs report, under trl's names: rewards, how often the better answer has the larger one, and log-probabilities.
 */
import { affine, greater, noGrad, sub, sum, type Tensor } from '../../../core/mod.ts'
import type { PairOf } from '../answers/answer-log-probs.ts'

/** Means over the window: each number is a sum over the pairs times `scale`. */
export function pairLog(
  rewards: PairOf<Tensor>,
  logps: PairOf<Tensor>,
  scale: number,
): Record<string, Tensor> {
  const mean = (values: Tensor): Tensor => affine(sum(values), { scale })
  return noGrad(() => ({
    'rewards/chosen': mean(rewards.chosen),
    'rewards/rejected': mean(rewards.rejected),
    'rewards/accuracies': mean(greater(rewards.chosen, rewards.rejected)),
    'rewards/margins': mean(sub(rewards.chosen, rewards.rejected)),
    'logps/chosen': mean(logps.chosen),
    'logps/rejected': mean(logps.rejected),
  }))
}
