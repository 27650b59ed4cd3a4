/**
 * From scores of items to a measure with its uncertainty.
 *
 * Every measure here is f(Σ value / Σ weight): an accuracy is the mean of 0 and 1, a perplexity is exp of a mean over tokens, words or bytes of all
 * texts. So one resampling of items serves them all, and a difference of two models is taken on the same items.
 */
import { createRandom } from '../../../core/mod.ts'

/** What one item adds to a measure. */
export interface ItemScore {
  readonly value: number
  readonly weight: number
}

/** What a measure is. */
export interface MeasureFacts {
  readonly isHigherBetter: boolean
  /** Scores are 0 or 1. */
  readonly isProportion: boolean
  /** Σ value / Σ weight → the measure. */
  finish(ratio: number): number
}

/** A measure of all items. Bounds are those of the 95 % confidence interval; null where there are too few items to tell. */
export interface Measure {
  readonly value: number
  /** Of the mean, as lm-evaluation-harness gives it: √(sample variance / items); null for what is no mean. */
  readonly stderr: number | null
  readonly low: number | null
  readonly high: number | null
  readonly isHigherBetter: boolean
}

/** How two models differ on the same items. */
export interface Difference {
  /** after − before. */
  readonly value: number
  readonly low: number | null
  readonly high: number | null
  /** What the interval says: 'unclear' where 0 lies in it, or where there is none. */
  readonly verdict: 'better' | 'worse' | 'unclear'
}

const RESAMPLES = 2000
/** Two-sided 95 % of the normal distribution. */
const Z = 1.959963984540054

/** The measure of some items: Wilson's interval for proportions, else the percentiles of a bootstrap over items, always with the same draws. */
export function measureOf(scores: readonly ItemScore[], facts: MeasureFacts): Measure {
  const value = statistic(scores, facts)
  const [low, high] = facts.isProportion
    ? wilson(scores)
    : bootstrap(scores.length, (picked) => facts.finish(ratio(scores, picked)))
  return {
    value,
    stderr: facts.isProportion ? standardError(scores) : null,
    low,
    high,
    isHigherBetter: facts.isHigherBetter,
  }
}

/** The difference of two models on the same items, by a bootstrap that draws the same items for both. */
export function differenceOf(
  before: readonly ItemScore[],
  after: readonly ItemScore[],
  facts: MeasureFacts,
): Difference {
  const value = statistic(after, facts) - statistic(before, facts)
  const [low, high] = bootstrap(
    after.length,
    (picked) => facts.finish(ratio(after, picked)) - facts.finish(ratio(before, picked)),
  )
  const isClear = low !== null && high !== null && (low > 0 || high < 0)
  const isBetter = value > 0 === facts.isHigherBetter
  return { value, low, high, verdict: !isClear ? 'unclear' : isBetter ? 'better' : 'worse' }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function statistic(scores: readonly ItemScore[], facts: MeasureFacts): number {
  return facts.finish(ratio(scores))
}

function ratio(scores: readonly ItemScore[], picked?: Uint32Array): number {
  let value = 0
  let weight = 0
  const count = picked?.length ?? scores.length
  for (let i = 0; i < count; i++) {
    const score = scores[picked ? picked[i] : i]
    value += score.value
    weight += score.weight
  }
  return value / weight
}

/** √(sample variance / n) of the values; null for only one. */
function standardError(scores: readonly ItemScore[]): number | null {
  const { length } = scores
  if (length < 2) return null
  const mean = ratio(scores)
  const squares = scores.reduce((sum, { value }) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(squares / (length - 1) / length)
}

/** E. B. Wilson, Journal of the American Statistical Association 22 (1927): holds for few items and for proportions near 0 and 1. */
function wilson(scores: readonly ItemScore[]): [number, number] {
  const n = scores.length
  const p = ratio(scores)
  const middle = (p + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2))
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}

/** The 2.5th and 97.5th percentile; null for fewer than two items. */
function bootstrap(count: number, of: (picked: Uint32Array) => number): [number, number] | [null, null] {
  if (count < 2) return [null, null]
  const random = createRandom(0)
  const picked = new Uint32Array(count)
  const values = new Float64Array(RESAMPLES)
  for (let i = 0; i < RESAMPLES; i++) {
    for (let j = 0; j < count; j++) picked[j] = random.int(count)
    values[i] = of(picked)
  }
  values.sort()
  return [values[Math.floor(0.025 * RESAMPLES)], values[Math.ceil(0.975 * RESAMPLES) - 1]]
}
