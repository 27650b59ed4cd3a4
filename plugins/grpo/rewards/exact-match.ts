/**
 * `exact_match`: whether a completion is the answer of its record.
 */
import { defineOptions, flag, optional, text } from '../../../core/mod.ts'
import { fieldOf } from './record-field.ts'
import type { RewardDefinition } from './reward.ts'

/** Options of `exact_match`. */
export interface ExactMatchOptions {
  /** The field of the record with the answer. */
  readonly field: string
  readonly ignore_case: boolean
}

/** 1 where both are equal, without spaces around them; else 0. */
export const exactMatch: RewardDefinition = {
  name: 'exact_match',
  options: defineOptions<ExactMatchOptions>({
    field: optional(text(), 'answer'),
    ignore_case: optional(flag(), false),
  }),
  create(options) {
    const { field, ignore_case } = options as ExactMatchOptions
    const plain = (given: string): string => (ignore_case ? given.trim().toLowerCase() : given.trim())
    return (completions, { records }) =>
      completions.map((completion, row) =>
        plain(completion) === plain(String(fieldOf(records[row], field, 'exact_match'))) ? 1 : 0,
      )
  },
}
