/**
 * What a tuned AdamW reaches for what it costs, frozen before anything is compared with it; and how sure a ratio is.
 */
import { createRandom, TrituneError } from '../../../core/mod.ts'

/** A budget and the loss that it ends at. */
export interface FrontierPoint {
  readonly units: number
  readonly loss: number
}

/**
 * Throws E_NAN where longer runs are no better. What the frontier needs for a loss, along straight lines over the logarithm of the units. Outside of the budgets it goes on as at its end; `isOutside` says
 * so.
 */
export function needed(
  points: readonly FrontierPoint[],
  loss: number,
): { readonly units: number; readonly isOutside: boolean } {
  const inOrder = points.toSorted((a, b) => a.units - b.units)
  // A longer run that came to no less is not what anybody would make.
  const sorted = inOrder.filter(({ loss: own }, i) =>
    inOrder.slice(0, i).every((shorter) => shorter.loss > own),
  )
  if (sorted.length < 2)
    throw new TrituneError(
      'E_NAN',
      'longer runs of adamw do not make the loss smaller: there is no frontier',
      {
        remedy: 'look at the model: it may have learnt what is in the data before',
      },
    )
  const last = sorted.length - 2
  const found = sorted.findIndex((_, i) => i <= last && loss >= sorted[i + 1].loss)
  const at = found < 0 ? last : found
  const [left, right] = [sorted[at], sorted[at + 1]]
  const slope = (Math.log(right.units) - Math.log(left.units)) / (right.loss - left.loss)
  const isOutside = loss > sorted[0].loss || loss < (sorted.at(-1)?.loss ?? loss)
  return { units: Math.exp(Math.log(left.units) + slope * (loss - left.loss)), isOutside }
}

/** The geometric mean, and between what 95 % of means of as many drawn values lie. */
export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

const DRAWS = 2000

export function bootstrap(ratios: readonly number[], seed = 1): Interval {
  const random = createRandom(seed, 'bootstrap')
  const logs = ratios.map(Math.log)
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length
  const means = Array.from({ length: DRAWS }, () => mean(logs.map(() => logs[random.int(logs.length)])))
  means.sort((a, b) => a - b)
  const at = (share: number): number => Math.exp(means[Math.min(DRAWS - 1, Math.floor(share * DRAWS))])
  return { mean: Math.exp(mean(logs)), low: at(0.025), high: at(0.975) }
}
