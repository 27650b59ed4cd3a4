/**
 * `zephyr.nectar`, and formats of one's own (`type:` as a mapping, or `user_defined.default`).
 */
import {
  ConfigError,
  type ConfigFailure,
  type DataRecord,
  type DatasetContext,
  type DatasetDefinition,
  defineOptions,
} from '../../../core/mod.ts'
import { parseFormat, preferenceFields, type UserDefinedPreference } from '../../data/mod.ts'
import { labelledExample, pairExample, recordError } from './answers-example.ts'
import { optionalTextOf, textOf, valueOf } from './record-fields.ts'

/** Ranked answers: the best and the one after it. axolotl takes the two of the worst ranks, the very worst as the better one. */
const nectar: DatasetDefinition<DatasetContext> = {
  name: 'zephyr.nectar',
  makes: ['pair'],
  tokenize(record, context) {
    const prompt = `<|system|>\n</s>\n<|user|>\n${textOf(record, 'prompt')}</s>\n<|assistant|>\n`
    const [best, second] = rankedAnswers(record)
    context.note(
      'zephyr.nectar: the answers of rank 1 and 2 are compared; axolotl takes the two last ones, in the other order',
    )
    return pairExample(record, prompt, { chosen: best, rejected: second }, context)
  },
}

/** Prompt and answers through formats of the file. */
const ownFormats: DatasetDefinition<DatasetContext<UserDefinedPreference>> = {
  name: 'user_defined.default',
  makes: ['pair', 'labelled'],
  options: defineOptions<UserDefinedPreference>(preferenceFields, [
    (options) => Object.keys(FIELDS_OF_FORMATS).flatMap((key) => formatFailures(options, key)),
  ]),
  tokenize(record, context) {
    const { typeOptions: options } = context
    const filled = (key: FormatKey, values: Readonly<Record<string, string>>): string =>
      parseFormat(key, options[key], FIELDS_OF_FORMATS[key]).write(values)
    const prompt = filled('prompt_format', {
      prompt: textOf(record, options.field_prompt),
      system: optionalTextOf(record, options.field_system),
    })
    if (context.kind === 'labelled') {
      const completion = filled('completion_format', { completion: textOf(record, options.field_completion) })
      return labelledExample(
        record,
        prompt,
        { completion, label: valueOf(record, options.field_label) },
        context,
      )
    }
    return pairExample(
      record,
      prompt,
      {
        chosen: filled('chosen_format', { chosen: textOf(record, options.field_chosen) }),
        rejected: filled('rejected_format', { rejected: textOf(record, options.field_rejected) }),
      },
      context,
    )
  },
}

type FormatKey = 'prompt_format' | 'chosen_format' | 'rejected_format' | 'completion_format'

const FIELDS_OF_FORMATS: Readonly<Record<FormatKey, readonly string[]>> = {
  prompt_format: ['prompt', 'system'],
  chosen_format: ['chosen'],
  rejected_format: ['rejected'],
  completion_format: ['completion'],
}

/** The types by name. */
export const OTHER_TYPES: {
  readonly 'zephyr.nectar': DatasetDefinition<DatasetContext>
  readonly 'user_defined.default': DatasetDefinition<DatasetContext<UserDefinedPreference>>
} = { 'zephyr.nectar': nectar, 'user_defined.default': ownFormats }

// ---- helpers ----------------------------------------------------------------------------------------------------

function formatFailures(options: UserDefinedPreference, key: string): readonly ConfigFailure[] {
  const name = key as FormatKey
  try {
    parseFormat(name, options[name], FIELDS_OF_FORMATS[name])
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.failures.map((failure) => ({ ...failure, path: [name] }))
  }
}

function rankedAnswers(record: DataRecord): readonly [string, string] {
  const list = valueOf(record, 'answers')
  const ranked = (Array.isArray(list) ? list : []).map((answer: unknown) => ({
    rank: Number(Reflect.get(Object(answer), 'rank')),
    answer: Reflect.get(Object(answer), 'answer') as unknown,
  }))
  const sorted = ranked.toSorted((a, b) => a.rank - b.rank)
  const [best, second] = sorted.map(({ answer }) => answer)
  if (
    sorted.every(({ rank }) => Number.isFinite(rank)) &&
    typeof best === 'string' &&
    typeof second === 'string'
  )
    return [best, second]
  throw recordError(record, 'expected "answers" to be a list of { answer, rank }, at least two of them')
}
