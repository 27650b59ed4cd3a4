/**
 * Rewards → advantages, as trl's GRPOTrainer computes them (`sum_then_normalize`).
 */
import type { GrpoOptions } from './options.ts'

/** What a step's rewards come to. Rows are in groups, one group after the other. */
export interface Advantages {
  /** Weighted sum of the rewards of each row; NaN where no reward applies to it. */
  readonly rewards: Float64Array
  readonly advantages: Float64Array
  /** Whether all rewards of a row's group are equal. */
  readonly isEqual: readonly boolean[]
}

/**
 * `rewards[k][row]` is what reward k gives a row; null where it does not apply.
 *
 * @example
 * ```ts
 * import { advantagesOf } from 'tritune/plugins/grpo'
 *
 * const { advantages } = advantagesOf([[1, 0]], { weights: [1], groupSize: 2, scale: 'none' })
 * console.log([...advantages]) // → [ 0.5, -0.5 ]
 * ```
 */
export function advantagesOf(
  given: readonly (readonly (number | null)[])[],
  {
    weights,
    groupSize,
    scale,
  }: {
    readonly weights: readonly number[]
    readonly groupSize: number
    readonly scale: GrpoOptions['scale_rewards']
  },
): Advantages {
  const count = given[0].length
  const rewards = Float64Array.from({ length: count }, (_, row) => {
    const found = given.flatMap((one, k) => (one[row] === null ? [] : [Number(one[row]) * weights[k]]))
    return found.length === 0 ? Number.NaN : found.reduce((sum, value) => sum + value, 0)
  })
  const whole = deviation(rewards)
  const advantages = new Float64Array(count)
  const isEqual: boolean[] = []
  for (let start = 0; start < count; start += groupSize) {
    const group = rewards.subarray(start, start + groupSize)
    const centre = mean(group)
    const spread = scale === 'batch' ? whole : deviation(group)
    for (const [i, value] of group.entries()) {
      const centred = value - centre
      const advantage = scale === 'none' ? centred : centred / (spread + 1e-4)
      advantages[start + i] = Number.isNaN(advantage) ? 0 : advantage
      isEqual.push(!(deviation(group) > 1e-8))
    }
  }
  return { rewards, advantages, isEqual }
}

/** Of those that are numbers. */
export function mean(values: ArrayLike<number>): number {
  const known = numbersOf(values)
  return known.reduce((sum, value) => sum + value, 0) / known.length
}

/** Of a sample (n − 1); NaN of fewer than two. */
export function deviation(values: ArrayLike<number>): number {
  const known = numbersOf(values)
  if (known.length < 2) return Number.NaN
  const centre = mean(known)
  return Math.sqrt(known.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (known.length - 1))
}

function numbersOf(values: ArrayLike<number>): number[] {
  return Array.from(values).filter((value) => !Number.isNaN(value))
}
