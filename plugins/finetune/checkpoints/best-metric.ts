/**
 * What the best evaluation is the best by: `metric_for_best_model` and `greater_is_better`, as transformers reads them.
 */
import { ConfigError, didYouMean } from '../../../core/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { Evaluation } from '../training/evaluate.ts'

/** How evaluations are compared. */
export interface BestMetric {
  readonly isLoss: boolean
  /** Throws a ConfigError where evaluations have no such number. */
  of(evaluation: Evaluation): number
  isBetter(value: number, than: number): boolean
}

export function createBestMetric({
  metric_for_best_model: name,
  greater_is_better: greater,
}: Pick<FinetuneConfig, 'metric_for_best_model' | 'greater_is_better'>): BestMetric {
  // transformers takes any name that does not end in loss for one of which more is better; of perplexity that is never meant.
  const more = greater ?? !(name.endsWith('loss') || name === 'perplexity')
  return {
    isLoss: name === 'loss',
    of({ loss, metrics }) {
      if (name === 'loss') return loss
      if (name === 'perplexity') return Math.exp(loss)
      if (Object.hasOwn(metrics, name)) return metrics[name]
      const known = ['loss', 'perplexity', ...Object.keys(metrics)]
      throw new ConfigError([
        {
          path: ['metric_for_best_model'],
          what: `evaluations of this run have no number "${name}"`,
          remedy: didYouMean(name, known),
        },
      ])
    },
    isBetter: (value, than) => (more ? value > than : value < than),
  }
}
