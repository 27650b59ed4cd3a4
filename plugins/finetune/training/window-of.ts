/**
 * What a step is trained on: micro-batches of the examples of the plan, or of the completions that are made of its prompts.
 */
import { type Batch, concatenate } from '../../data/mod.ts'
import type { RolloutWindow } from '../../grpo/mod.ts'
import type { Run } from '../run.ts'

export interface StepWindow extends Pick<RolloutWindow, 'metrics' | 'samples'> {
  readonly micro: readonly Batch[]
}

export async function windowOf(
  { plan, rollouts, config }: Pick<Run, 'plan' | 'rollouts' | 'config'>,
  step: number,
): Promise<StepWindow> {
  const { epoch, window } = plan.locate(step)
  const batches = plan.batches(epoch)
  const { start, end } = batches.windows[window]
  const given = Array.from({ length: end - start }, (_, i) => batches.get(start + i))
  if (rollouts === null) return { micro: given, metrics: {}, samples: [] }
  const prompts = given.flatMap(({ examples }) => examples)
  const { examples, metrics, samples } = await rollouts.window(step, prompts)
  const size = config.micro_batch_size
  const micro = Array.from({ length: Math.ceil(examples.length / size) }, (_, i) =>
    concatenate(examples.slice(i * size, (i + 1) * size)),
  )
  return { micro, metrics, samples }
}
