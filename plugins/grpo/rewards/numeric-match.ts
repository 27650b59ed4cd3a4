/**
 * `numeric_match`: whether the number in a completion is the one of its record.
 */
import {
  ConfigError,
  decimal,
  defineOptions,
  nullable,
  oneOf,
  optional,
  text,
  TrituneError,
} from '../../../core/mod.ts'
import { fieldOf } from './record-field.ts'
import type { RewardDefinition } from './reward.ts'

/** Options of `numeric_match`. */
export interface NumericMatchOptions {
  /** The field of the record with the number. */
  readonly field: string
  /** Which number of the completion is meant; `only`: there is one alone. */
  readonly which: 'first' | 'last' | 'only'
  /** A regular expression whose first group is the number; null: numbers are found by themselves. */
  readonly pattern: string | null
  /** How far off a number may be. */
  readonly tolerance: number
}

const NUMBER = /[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?/gu

/** 1 where the number is right, else 0. */
export const numericMatch: RewardDefinition = {
  name: 'numeric_match',
  options: defineOptions<NumericMatchOptions>({
    field: optional(text(), 'answer'),
    which: optional(oneOf(['first', 'last', 'only']), 'last'),
    pattern: nullable(text()),
    tolerance: optional(decimal({ min: 0 }), 0),
  }),
  create(options) {
    const { field, which, pattern, tolerance } = options as NumericMatchOptions
    const numbers = pattern === null ? numbersOf : groupsOf(pattern)
    return (completions, { records }) =>
      completions.map((completion, row) => {
        const found = numbers(completion)
        if (found.length === 0 || (which === 'only' && found.length > 1)) return 0
        const number = which === 'first' ? found[0] : found[found.length - 1]
        return Math.abs(number - wanted(records[row], field)) <= tolerance ? 1 : 0
      })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function numbersOf(text: string): number[] {
  return Array.from(text.matchAll(NUMBER), ([found]) => found)
    .filter((found) => /\d/u.test(found))
    .map((found) => Number(found.replaceAll(',', '')))
}

function groupsOf(pattern: string): (text: string) => number[] {
  let expression: RegExp
  try {
    expression = new RegExp(pattern, 'gus')
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new ConfigError([{ path: ['pattern'], what: `is no regular expression: ${said}` }])
  }
  return (text) =>
    Array.from(text.matchAll(expression), ([whole, group = whole]) =>
      Number(group.replaceAll(',', '')),
    ).filter((number) => !Number.isNaN(number))
}

function wanted(record: Readonly<Record<string, unknown>>, field: string): number {
  const value = fieldOf(record, field, 'numeric_match')
  const number = typeof value === 'number' ? value : Number(String(value).replaceAll(',', ''))
  if (Number.isFinite(number)) return number
  throw new TrituneError(
    'E_DATA',
    `the reward numeric_match needs a number under "${field}", a record has ${JSON.stringify(value)}`,
  )
}
