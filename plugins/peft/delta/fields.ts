/**
 * The fields of adapter_config.json of a method whose options are named as PEFT names them.
 *
 * Targets and what every method has are not here: attach.ts and save.ts write them.
 */
import { OTHER_MATHS } from '../files/unknown-fields.ts'
import {
  ConfigError,
  formatPath,
  type PeftFormat,
  type PeftTarget,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'

/** How a method's options and PEFT's fields hang together. */
export interface FieldsOf<O> {
  readonly type: string
  readonly options: ValidatableConfig<O>
  /** The options, which are fields. */
  readonly names: readonly (keyof O & string)[]
  /** Fields that are no options: what is written, and what else may be read since it means the same. */
  readonly fixed: Readonly<Record<string, readonly [written: unknown, ...alsoRead: unknown[]]>>
  /** Fields that follow from the model; whatever a file says there is not read. */
  derived?(options: O, on: PeftTarget): Readonly<Record<string, unknown>>
  /** Fields of targets that this method lacks in PEFT. */
  readonly lacks?: PeftFormat<O>['lacks']
}

export function peftFields<O extends object>({
  type,
  options,
  names,
  fixed,
  derived,
  lacks,
}: FieldsOf<O>): PeftFormat<O> {
  return {
    type,
    lacks,
    fields: [...names, ...Object.keys(fixed)],
    write: (own, on) => ({
      ...Object.fromEntries(Object.entries(fixed).map(([key, [written]]) => [key, written])),
      ...own,
      ...derived?.(own, on),
    }),
    read(fields) {
      for (const [key, plain] of Object.entries(fixed)) {
        const value = fields[key] ?? null
        if (value !== null && !plain.some((one) => JSON.stringify(one) === JSON.stringify(value)))
          throw new TrituneError('E_UNSUPPORTED', `${key}: ${JSON.stringify(value)} is not supported yet`, {
            remedy: OTHER_MATHS,
          })
      }
      const given = names.flatMap((name) => (fields[name] == null ? [] : [[name, fields[name]] as const]))
      return checked(options, Object.fromEntries(given))
    },
  }
}

/** Biases are not trained. */
export const NO_BIAS: readonly [string] = ['none']
/** No module is saved whole. */
export const NO_MODULES: readonly [null, readonly never[]] = [null, []]

// ---- helpers ----------------------------------------------------------------------------------------------------

function checked<O>(options: ValidatableConfig<O>, given: Readonly<Record<string, unknown>>): O {
  try {
    return options.validate(given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const all = error.failures.map(({ path, what }) => `${formatPath(path)}: ${what}`)
    throw new TrituneError('E_ADAPTER', all.join('; '), { cause: error })
  }
}
