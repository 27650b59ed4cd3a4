/**
 * `length`: whether a completion is as long as it should be.
 */
import { type ConfigRule, defineOptions, integer, nullable, oneOf, optional } from '../../../core/mod.ts'
import type { RewardDefinition } from './reward.ts'

/** Options of `length`: at least one of `min` and `max`. */
export interface LengthOptions {
  readonly min: number | null
  readonly max: number | null
  readonly unit: 'tokens' | 'characters' | 'words'
}

const oneLimit: ConfigRule<LengthOptions> = ({ min, max }) =>
  min === null && max === null
    ? { path: [], what: 'length needs min, max or both' }
    : min !== null && max !== null && min > max
      ? { path: ['min'], what: `is above max (${max})` }
      : undefined

/** 1 from `min` to `max`; outside it falls evenly: to 0 at nothing, and to 0 at twice `max`. */
export const length: RewardDefinition = {
  name: 'length',
  options: defineOptions<LengthOptions>(
    {
      min: nullable(integer({ min: 1 })),
      max: nullable(integer({ min: 1 })),
      unit: optional(oneOf(['tokens', 'characters', 'words']), 'tokens'),
    },
    [oneLimit],
  ),
  create(options) {
    const { min, max, unit } = options as LengthOptions
    const measure = (text: string, ids: readonly number[]): number => {
      if (unit === 'tokens') return ids.length
      return unit === 'words' ? (text.match(/\S+/gu)?.length ?? 0) : [...text].length
    }
    return (completions, { completionIds }) =>
      completions.map((text, row) => {
        const size = measure(text, completionIds[row])
        if (min !== null && size < min) return size / min
        if (max !== null && size > max) return Math.max(0, 2 - size / max)
        return 1
      })
  },
}
