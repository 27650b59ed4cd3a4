/**
 * Options of a plugin's part, field by field: `defineOptions({ gamma: optional(decimal({ min: 0 }), 2) })`.
 *
 * What is not among the fields is an error with the nearest name.
 */
import { strictObject } from 'valibot'
import { type ConfigRule, defineConfig, type ValidatableConfig } from './config.ts'
import type { Field } from './config-fields.ts'

/**
 * The fields come from `config-fields.ts`; without any, no option is taken. Rules look at several at once.
 *
 * @example
 * ```ts
 * import { decimal, defineOptions, integer, optional } from 'tritune/core'
 *
 * const options = defineOptions<{ readonly rank: number; readonly scale: number }>({
 *   rank: optional(integer({ min: 1 }), 8),
 *   scale: optional(decimal(), 1),
 * })
 * console.log(options.validate({ rank: 4 }).rank) // → 4
 * ```
 */
export function defineOptions<T extends object>(
  fields: { readonly [K in keyof T]: Field<T[K]> },
  rules: readonly ConfigRule<T>[] = [],
): ValidatableConfig<T> {
  const schema: unknown = strictObject(fields, 'expected a mapping')
  return defineConfig(schema as Field<T>, rules)
}
