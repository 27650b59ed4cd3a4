/**
 * What every part with options promises of them: defaults that are enough, one clear error for what it does not know.
 */
import type { ValidatableConfig } from '../core/mod.ts'
import { type ContractCheck, check, expectKept, refusal, textOf } from './check.ts'

/** Options of a part as a file gives them, before they are checked. */
export type OptionInput = Readonly<Record<string, unknown>>

/** The options that a part is tried with, and those that it must refuse. */
export interface OptionsToTry {
  /** The options that the part is tried with, as a file would give them; default: none, so its defaults. */
  readonly options?: OptionInput
  /** Options that must be refused, each with an error that names its field: `[{ rank: 0 }, { rank: 'many' }]`. */
  readonly wrongOptions?: readonly OptionInput[]
}

const UNKNOWN = 'no_such_option'

export function optionChecks(
  definition: { readonly name: string; readonly options: ValidatableConfig<unknown> },
  { options = {}, wrongOptions = [] }: OptionsToTry,
): ContractCheck[] {
  const { name } = definition
  const lookAt = `the options of ${name}: defineOptions({ … }) checks all of this`
  const refused = (input: OptionInput, field: string): void => {
    const { code, message } = refusal(
      `${name} with ${textOf(input)}`,
      () => definition.options.validate(input),
      lookAt,
    )
    expectKept((code === 'E_CONFIG' || code === 'E_CONFIG_KEY') && message.includes(field), () => ({
      expected: `E_CONFIG or E_CONFIG_KEY with "${field}" in its message`,
      got: `${code}: ${message}`,
      lookAt,
    }))
  }
  return [
    check(`${name}: options are checked, and checked ones pass again`, () => {
      const checked = definition.options.validate(options)
      expectKept(typeof checked === 'object' && checked !== null, () => ({
        expected: 'validate() gives an object',
        got: textOf(checked),
        lookAt,
      }))
      const again = definition.options.validate(checked)
      expectKept(JSON.stringify(again) === JSON.stringify(checked), () => ({
        expected: `the same options: ${textOf(checked)}`,
        got: textOf(again),
        lookAt,
      }))
    }),
    check(`${name}: an option that it does not know is refused by name`, () =>
      refused({ ...options, [UNKNOWN]: 1 }, UNKNOWN),
    ),
    ...wrongOptions.map((wrong) =>
      check(`${name}: the options ${textOf(wrong)} are refused by name`, () => {
        const fields = Object.keys(wrong)
        refused({ ...options, ...wrong }, fields[0] ?? '')
      }),
    ),
  ]
}
