/**
 * Configurations that know how to check themselves: a valibot schema plus rules that look at several fields at once.
 *
 * A failure says which field, what it holds and what was expected; `core/files/yaml.ts` adds where that stands in the file.
 * Reading files is not done here, and nothing here knows the key of any particular configuration.
 */
import { safeParse } from 'valibot'
import type { GenericSchema } from 'valibot'
import { TrituneError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { type ConfigFailure, formatPath } from './config-failure.ts'
import { failuresOf, validPart, WrongField } from './config-issues.ts'

export type { ConfigFailure, ConfigPath } from './config-failure.ts'
export { formatPath } from './config-failure.ts'
export { MISSING } from './config-issues.ts'
export { showValue } from './show-value.ts'

/** A schema with cross-field rules; a failure names the field, the value, what was expected and where it stands. */
export interface ValidatableConfig<T> {
  readonly schema: GenericSchema<unknown, T>
  /** The checked value with its defaults, or a `ConfigError` (E_CONFIG, E_CONFIG_KEY). */
  validate(input: unknown): T
}

/**
 * Looks at fields that are each right on their own; returns what does not go together. When other fields are wrong, a
 * rule still runs if it reads none of them.
 */
export type ConfigRule<T> = (value: T) => ConfigFailure | readonly ConfigFailure[] | undefined

/** More of them help nobody. */
const LISTED = 20

/** What `validate()` throws: every failure with its path, so that a reader of files can add the places. */
export class ConfigError extends TrituneError {
  readonly failures: readonly ConfigFailure[]
  /** Where each failure is, as the message says it: with the line of the file where one is known. */
  readonly places: readonly string[]

  /** The message lists the first 20 failures and counts the others. */
  constructor(
    failures: readonly ConfigFailure[],
    placeOf: (failure: ConfigFailure) => string = defaultPlace,
  ) {
    const [code, what, context] = messageOf(failures, placeOf)
    super(code, what, context)
    this.failures = failures
    this.places = failures.map(placeOf)
  }
}

/** The arguments of the error that says all this: one call of `super`, because JSR's types know no other. */
function messageOf(
  failures: readonly ConfigFailure[],
  placeOf: (failure: ConfigFailure) => string,
): ConstructorParameters<typeof TrituneError> {
  const [first, ...others] = failures
  const lines = others
    .slice(0, LISTED - 1)
    .map((failure) => `${placeOf(failure)}: ${failure.what}${remedyLine(failure)}`)
  if (failures.length > LISTED) lines.push(`… and ${failures.length - LISTED} more`)
  const code: ErrorCode = first?.code ?? 'E_CONFIG'
  const place = placeOf(first)
  // The remedy of one fault is that of the error; those of several stand at their lines.
  if (failures.length === 1) return [code, first.what, { place, remedy: first.remedy }]
  return [code, [`${first.what}${remedyLine(first)}`, ...lines].join('\n'), { place }]
}

/**
 * Binds a schema and its rules; what both find is reported together.
 *
 * @example
 * ```ts
 * import { ConfigError, decimal, defineConfig, optional } from 'tritune/core'
 * import * as v from 'valibot'
 *
 * const options = defineConfig(v.strictObject({ dropout: optional(decimal({ min: 0, below: 1 }), 0) }))
 * console.log(options.validate({}).dropout) // → 0
 * try {
 *   options.validate({ dropout: 2 })
 * } catch (error) {
 *   console.log(error instanceof ConfigError) // → true
 * }
 * ```
 */
export function defineConfig<T>(
  schema: GenericSchema<unknown, T>,
  rules: readonly ConfigRule<T>[] = [],
): ValidatableConfig<T> {
  return {
    schema,
    validate(input: unknown): T {
      const result = safeParse(schema, input)
      if (result.success) {
        const failures = rules.flatMap((rule) => rule(result.output) ?? [])
        if (failures.length > 0) throw new ConfigError(failures)
        return result.output
      }
      const part = validPart(schema, input)
      const failures = part === undefined ? [] : rules.flatMap((rule) => judge(rule, part))
      throw new ConfigError([...failuresOf(schema, result.issues), ...failures])
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What a rule says of a value some of whose fields are wrong: nothing when it reads one of those. */
function judge<T>(rule: ConfigRule<T>, part: T): readonly ConfigFailure[] {
  try {
    const found = rule(part) ?? []
    return 'what' in found ? [found] : found
  } catch (error) {
    if (error instanceof WrongField) return []
    throw error
  }
}

function defaultPlace({ path }: ConfigFailure): string {
  return formatPath(path)
}

function remedyLine({ remedy }: ConfigFailure): string {
  return remedy === undefined ? '' : `\n  → ${remedy}`
}
