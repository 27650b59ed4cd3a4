/**
 * Task files of lm-evaluation-harness, with data from local files: `dataset_path: json` and `data_files`. Their functions in Python, groups,
 * filters and data of the hub are refused by name; what changes no number here is left aside.
 *
 * https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md
 */
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import {
  type ConfigFailure,
  defineConfig,
  integer,
  flag,
  listOf,
  nullable,
  oneOf,
  optional,
  TrituneError,
} from '../../../core/mod.ts'
import { parseYaml, validateYaml } from '../../../core/files/yaml.ts'
import type { DataRecord } from '../../data/mod.ts'
import { readTaskRecords } from './read-records.ts'
import { choicesOf, goldOf, indexOf, placeOf } from './record-shapes.ts'
import { DEFAULT_MEASURES, DEFAULT_WRITING, type MatchOptions, MEASURES, type Task } from './task.ts'
import { type TaskTemplate, taskTemplate } from './template.ts'

/** Reads the file and its data. `limit`: only so many items. Throws E_YAML, E_CONFIG with the line, E_DATA, E_FILE. */
export async function readYamlTask(text: string, file: string, limit: number): Promise<Task> {
  const python = /^.*!function.*$/m.exec(text)
  if (python)
    throw new TrituneError('E_UNSUPPORTED', `"${python[0].trim()}" is a function in Python`, {
      place: `${file}:${text.slice(0, python.index).split('\n').length}`,
      remedy: 'write it as a Jinja template, or prepare the data and name their fields',
    })
  const config = validateYaml(TASK, parseYaml(text, file))
  const splits = splitsOf(config, dirname(file))
  const name = config.task ?? file
  const records = await readTaskRecords(
    pick(splits, [config.test_split, config.validation_split], file),
    limit,
  )
  return build(name, config, records, await openingOf(config, splits, file), file)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const TEXT = v.string('expected a text')
const TEXTS = v.union([TEXT, listOf(TEXT)], 'expected a text or a list of texts')
const FILES = v.union(
  [TEXT, listOf(TEXT), v.record(v.string(), TEXTS)],
  'expected a file, a list of files, or files by split',
)
const ANYTHING = v.optional(v.unknown())

const METRIC = v.strictObject({
  metric: TEXT,
  aggregation: ANYTHING,
  higher_is_better: ANYTHING,
  ignore_case: optional(flag(), false),
  ignore_punctuation: optional(flag(), false),
  ignore_numbers: optional(flag(), false),
  regexes_to_ignore: optional(listOf(TEXT), []),
})

const TASK = defineConfig(
  v.strictObject({
    task: nullable(TEXT),
    dataset_path: oneOf(['json', 'csv', 'parquet', 'arrow', 'text']),
    dataset_kwargs: v.strictObject({ data_files: FILES }),
    training_split: nullable(TEXT),
    validation_split: nullable(TEXT),
    test_split: nullable(TEXT),
    fewshot_split: nullable(TEXT),
    fewshot_config: nullable(v.strictObject({ sampler: oneOf(['first_n']) })),
    num_fewshot: optional(integer({ min: 0 }), 0),
    output_type: optional(
      oneOf(['generate_until', 'loglikelihood', 'loglikelihood_rolling', 'multiple_choice']),
      'generate_until',
    ),
    description: optional(TEXT, ''),
    doc_to_text: optional(TEXT, ''),
    doc_to_target: v.union([TEXT, v.number()], 'expected a text or a number'),
    doc_to_choice: nullable(v.union([TEXT, listOf(TEXT), v.record(v.string(), TEXT)])),
    target_delimiter: optional(TEXT, ' '),
    fewshot_delimiter: optional(TEXT, '\n\n'),
    generation_kwargs: nullable(
      v.strictObject({
        until: nullable(TEXTS),
        max_gen_toks: optional(integer({ min: 1 }), DEFAULT_WRITING.maxNewTokens),
        do_sample: optional(flag(), false),
        temperature: optional(v.pipe(v.number(), v.value(0, 'texts are written greedily: expected 0')), 0),
      }),
    ),
    metric_list: nullable(listOf(METRIC)),
    repeats: optional(v.pipe(v.number(), v.value(1, 'expected 1: texts are written greedily')), 1),
    // What changes no number.
    task_alias: ANYTHING,
    tag: ANYTHING,
    group: ANYTHING,
    metadata: ANYTHING,
    dataset_name: ANYTHING,
    should_decontaminate: ANYTHING,
    doc_to_decontamination_query: ANYTHING,
  }),
  [
    ({ output_type: kind, metric_list: metrics }) =>
      (metrics ?? []).flatMap(({ metric }, i): ConfigFailure[] =>
        MEASURES[kind].includes(metric)
          ? []
          : [
              {
                path: ['metric_list', i, 'metric'],
                what: `expected one of ${MEASURES[kind].join(', ')}, got "${metric}"`,
              },
            ],
      ),
    ({ output_type: kind, doc_to_choice: choices }) =>
      kind === 'multiple_choice' && choices === null
        ? { path: ['doc_to_choice'], what: 'multiple_choice needs the choices' }
        : undefined,
    ({ generation_kwargs: writing }) =>
      writing?.do_sample === true
        ? { path: ['generation_kwargs', 'do_sample'], what: 'texts are written greedily: expected false' }
        : undefined,
    ({ num_fewshot: shots, fewshot_config: config }) =>
      shots > 0 && config === null
        ? {
            path: ['num_fewshot'],
            code: 'E_UNSUPPORTED',
            what: 'examples drawn by the random numbers of Python are not supported',
            remedy: 'set fewshot_config: {sampler: first_n}',
          }
        : undefined,
  ],
)

type TaskConfig = ReturnType<(typeof TASK)['validate']>
type Splits = ReadonlyMap<string, readonly string[]>

/** Files of each split; those that are not named by split are of `train`, as the loader of Hugging Face has it. */
function splitsOf({ dataset_kwargs: { data_files: files } }: TaskConfig, folder: string): Splits {
  const entries = typeof files === 'string' || Array.isArray(files) ? { train: files } : files
  return new Map(
    Object.entries(entries).map(([split, named]) => [
      split,
      [named].flat().map((name) => resolve(folder, name)),
    ]),
  )
}

function pick(splits: Splits, wanted: readonly (string | null)[], file: string): readonly string[] {
  const split = wanted.find((name) => name !== null)
  const files = splits.get(split ?? '')
  if (files) return files
  throw new TrituneError(
    'E_CONFIG',
    split === undefined || split === null
      ? 'neither test_split nor validation_split says what is measured'
      : `data_files has no split "${split}"`,
    { place: file, remedy: `it has ${[...splits.keys()].join(', ')}` },
  )
}

/** What stands before every item: the description, and examples with their answers. */
async function openingOf(
  config: TaskConfig,
  splits: Splits,
  file: string,
): Promise<(fields: DataRecord['value']) => string> {
  const { description, num_fewshot: shots } = config
  const described = taskTemplate(description, `${file}: description`)
  const describe = (fields: DataRecord['value']): string => (description === '' ? '' : described.text(fields))
  if (shots === 0) return describe
  const files = pick(
    splits,
    [config.fewshot_split, config.training_split, config.validation_split, config.test_split],
    file,
  )
  const examples = await readTaskRecords(files, shots)
  if (examples.length < shots)
    throw new TrituneError('E_DATA', `num_fewshot is ${shots}, there are ${examples.length} examples`, {
      place: file,
    })
  const parts = partsOf(config, file)
  const answered = examples.map((record) => {
    const choices = parts.choices?.(record) ?? []
    const target = parts.target(record)
    const index = indexOf(target)
    const answer = typeof index === 'number' && choices.length > 0 ? choices[index] : [target].flat()[0]
    return `${parts.context(record)}${config.target_delimiter}${String(answer)}${config.fewshot_delimiter}`
  })
  return (fields) => describe(fields) + answered.join('')
}

interface Parts {
  context(record: DataRecord): string
  choices: ((record: DataRecord) => string[]) | null
  /** A text, a number, or a list of either. */
  target(record: DataRecord): unknown
}

function partsOf(config: TaskConfig, file: string): Parts {
  const { doc_to_text: text, doc_to_choice: choice, doc_to_target: target } = config
  const context = taskTemplate(text, `${file}: doc_to_text`)
  const answer = typeof target === 'number' ? null : taskTemplate(target, `${file}: doc_to_target`)
  const options = typeof choice === 'string' ? taskTemplate(choice, `${file}: doc_to_choice`) : null
  const fixed =
    choice === null || typeof choice === 'string'
      ? []
      : Array.isArray(choice)
        ? choice
        : Object.values(choice)
  return {
    context: ({ value }) => context.text(value),
    choices:
      choice === null ? null : (record) => choicesOf(record, options ? options.value(record.value) : fixed),
    target: ({ value }) => (answer ? targetOf(answer, target, value) : target),
  }
}

/** The field as it is; of a template its text, or the list that the text shows. */
function targetOf(template: TaskTemplate, source: string | number, value: DataRecord['value']): unknown {
  if (Object.hasOwn(value, source)) return value[source]
  const shown = template.text(value)
  return /^\[.*\]$/s.test(shown) ? template.value(value) : shown
}

function build(
  name: string,
  config: TaskConfig,
  records: readonly DataRecord[],
  opening: (fields: DataRecord['value']) => string,
  file: string,
): Task {
  const { output_type: kind, target_delimiter: delimiter } = config
  const { context, choices, target } = partsOf(config, file)
  const whole = (record: DataRecord): string => opening(record.value) + context(record)
  const measures = config.metric_list?.map(({ metric }) => metric) ?? DEFAULT_MEASURES[kind]
  switch (kind) {
    case 'multiple_choice':
      return {
        name,
        kind,
        measures,
        items: records.map((record) => {
          const options = choices?.(record) ?? []
          const right = target(record)
          // A template gives digits for an index; a field that holds a text names a choice.
          const isField =
            typeof config.doc_to_target === 'string' && Object.hasOwn(record.value, config.doc_to_target)
          const gold = goldOf(record, isField ? right : indexOf(right), options)
          return { place: placeOf(record), context: whole(record), delimiter, choices: options, gold }
        }),
      }
    case 'loglikelihood':
      return {
        name,
        kind,
        measures,
        items: records.map((record) => ({
          place: placeOf(record),
          context: whole(record),
          continuation: String(target(record)),
        })),
      }
    case 'loglikelihood_rolling':
      return {
        name,
        kind,
        measures,
        items: records.map((record) => ({ place: placeOf(record), text: String(target(record)) })),
      }
    case 'generate_until': {
      const { until, max_gen_toks: maxNewTokens = DEFAULT_WRITING.maxNewTokens } =
        config.generation_kwargs ?? {}
      return {
        name,
        kind,
        measures,
        writing: { until: [until ?? config.fewshot_delimiter].flat(), maxNewTokens },
        match: matchOf(config),
        items: records.map((record) => {
          const right = target(record)
          const index = indexOf(right)
          const options = choices?.(record)
          const targets = options && typeof index === 'number' ? [options[index]] : [right].flat().map(String)
          return { place: placeOf(record), context: whole(record), targets }
        }),
      }
    }
  }
}

function matchOf({ metric_list: metrics }: TaskConfig): MatchOptions {
  const [first] = metrics ?? []
  return {
    ignoreCase: first?.ignore_case ?? false,
    ignorePunctuation: first?.ignore_punctuation ?? false,
    ignoreNumbers: first?.ignore_numbers ?? false,
    ignored: (first?.regexes_to_ignore ?? []).map((pattern) => new RegExp(pattern, 'gu')),
  }
}
