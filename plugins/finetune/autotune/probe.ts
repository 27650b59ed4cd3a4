/**
 * What the branches of a search are judged by: examples that none of them is trained on. The last steps of the first epoch are, where the branches do not
 * get there; else the validation set.
 */
import { type Batch, createBatches } from '../../data/mod.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { Run } from '../run.ts'

/** Examples that tell a rate from one twice as high, and cost little beside the branches. */
const ENOUGH = 16

/** As of a run, most steps' worth. */
const MOST_WINDOWS = 4

/** Batches that a branch of `steps` steps does not see. */
export interface Probe {
  readonly batches: readonly Batch[]
  /** What they are in steps of the run. */
  readonly windows: number
}

/** Throws E_DATA when there are no such examples. */
export function probeOf({ plan, data, config }: Pick<Run, 'plan' | 'data' | 'config'>, steps: number): Probe {
  const epoch = plan.batches(0)
  const unseen = epoch.windows.slice(steps).toReversed()
  const batches: Batch[] = []
  let windows = 0
  for (const { start, end } of unseen.slice(0, MOST_WINDOWS)) {
    if (batches.reduce((sum, { examples }) => sum + examples.length, 0) >= ENOUGH) break
    for (let i = start; i < end; i++) batches.push(epoch.get(i))
    windows++
  }
  if (isTrained(batches)) return { batches, windows }
  const perStep = config.micro_batch_size * config.gradient_accumulation_steps
  const examples = data.validation.slice(0, Math.min(ENOUGH, MOST_WINDOWS * perStep))
  const held = createBatches({
    examples,
    microBatchSize: config.eval_batch_size,
    sequenceLength: config.sequence_len,
    packing: false,
    seed: config.seed,
    epoch: 0,
    shuffle: false,
  })
  const validation = Array.from({ length: held.windows.at(-1)?.end ?? 0 }, (_, i) => held.get(i))
  if (isTrained(validation)) return { batches: validation, windows: Math.ceil(examples.length / perStep) }
  throw new TrituneError(
    'E_DATA',
    `nothing is left to judge learning rates by: the ${epoch.windows.length} steps of an epoch are all seen by branches of ${steps}, and there is no validation set`,
    { remedy: 'set val_set_size, or give learning_rate as a number' },
  )
}

function isTrained(batches: readonly Batch[]): boolean {
  return batches.some(({ trainedTokens }) => trainedTokens > 0)
}
