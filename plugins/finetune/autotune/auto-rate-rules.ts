/**
 * What does not go together with `learning_rate: auto`.
 */
import type { ConfigFailure } from '../../../core/contracts/config.ts'
import type { FinetuneFields } from '../config/finetune-options.ts'

/** Stands for the rate until it is found. */
export const UNTUNED_RATE = 1e-4

export function autoRateFailures(input: FinetuneFields): readonly ConfigFailure[] {
  if (input.learning_rate !== 'auto') return []
  const remedy = 'give learning_rate as a number'
  const refusals: readonly (readonly [boolean, string, string])[] = [
    [input.embedding_lr !== null, 'embedding_lr', 'is a rate of its own; embedding_lr_scale goes with it'],
    [input.lr_groups.length > 0, 'lr_groups', 'are rates of their own'],
    [input.rl === 'grpo', 'rl', 'grpo makes its examples while it trains'],
    [input.streaming, 'streaming', 'what is streamed is there only once'],
  ]
  return refusals.flatMap(([isSo, key, why]) =>
    isSo ? [{ path: [key], what: `does not go with learning_rate: auto: ${why}`, remedy }] : [],
  )
}
