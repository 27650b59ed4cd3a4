/**
 * Names in metrics.jsonl that are the trainer's own: what objectives, transforms and strategies report has other ones.
 */
import { TrituneError } from '../../../core/mod.ts'

const OWN: readonly string[] = [
  'step',
  'epoch',
  'loss',
  'learning_rate',
  'tokens',
  'trained_tokens',
  'seconds',
  'tokens_per_second',
  'memory_used',
  'memory_pooled',
  'memory_peak',
  'eval_loss',
  'eval_perplexity',
]

/** E_PLUGIN when a part reports something under a name of the trainer's. */
export function checkMetricNames(metrics: Readonly<Record<string, number>>): void {
  const taken = Object.keys(metrics).find((name) => OWN.includes(name))
  if (taken === undefined) return
  throw new TrituneError(
    'E_PLUGIN',
    `a part of the run reports "${taken}", which is a name of the trainer's`,
    {
      remedy: `take another name than ${OWN.join(', ')}`,
    },
  )
}
