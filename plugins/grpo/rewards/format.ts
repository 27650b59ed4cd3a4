/**
 * `format`: whether a completion has a form, said by a regular expression.
 */
import { ConfigError, defineOptions, flag, optional, text } from '../../../core/mod.ts'
import type { RewardDefinition } from './reward.ts'

/** Options of `format`. */
export interface FormatOptions {
  /** A regular expression of JavaScript, with the flags u and s. */
  readonly pattern: string
  /** Whether it must fit the whole completion; default: any part of it. */
  readonly whole: boolean
}

/** 1 where the expression fits, else 0. */
export const format: RewardDefinition = {
  name: 'format',
  options: defineOptions<FormatOptions>({ pattern: text(), whole: optional(flag(), false) }),
  create(options) {
    const { pattern, whole } = options as FormatOptions
    const expression = compiled(whole ? `^(?:${pattern})$` : pattern)
    return (completions) => completions.map((completion) => (expression.test(completion) ? 1 : 0))
  },
}

function compiled(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'us')
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new ConfigError([{ path: ['pattern'], what: `is no regular expression: ${said}` }])
  }
}
