/**
 * Records that say by their fields what task they are of: those of HellaSwag, ARC, OpenBookQA and PIQA with the texts that
 * lm-evaluation-harness makes of them, and plain ones of our own. The first shape that fits the first record holds for all.
 */
import { didYouMean, TrituneError } from '../../../core/mod.ts'
import type { DataRecord } from '../../data/mod.ts'
import { capitalized, stripped } from '../python-text.ts'
import {
  type ChoiceItem,
  DEFAULT_MEASURES,
  DEFAULT_WRITING,
  EXACT,
  type MatchOptions,
  type Task,
} from './task.ts'

/** The task of a file's records. Throws E_DATA with the line of a record that does not fit, or where no shape fits. */
export function taskOfRecords(name: string, records: readonly DataRecord[]): Task {
  const [first] = records
  const shape = SHAPES.find(({ fits }) => fits(first.value))
  if (shape) {
    try {
      return shape.task(name, records)
    } catch (error) {
      if (error instanceof TrituneError && error.remedy === undefined) throw withShape(error, shape, first)
      throw error
    }
  }
  throw new TrituneError(
    'E_DATA',
    `no task is known by the fields ${Object.keys(first.value).join(', ') || '(none)'}`,
    {
      place: placeOf(first),
      remedy: `${SHAPES.map(({ about }) => about).join('; ')}; or write a task file (.yaml)`,
    },
  )
}

/** `file:line` */
export function placeOf({ source }: DataRecord): string {
  return `${source.file}:${source.line}`
}

/** A text of a record; E_DATA where it is none. */
export function textOf({ value, source }: DataRecord, key: string): string {
  const text = value[key]
  if (typeof text === 'string') return text
  if (typeof text === 'number' || typeof text === 'boolean') return String(text)
  throw wrong(
    { value, source },
    text === undefined
      ? `there is no "${key}"; ${didYouMean(key, Object.keys(value))}`
      : `expected "${key}" to be a text`,
  )
}

/** The right ones among `choices`: an index, the text of a choice, or a list of either. E_DATA where there is no such choice. */
export function goldOf(record: DataRecord, gold: unknown, choices: readonly string[]): number[] {
  const all = Array.isArray(gold) ? gold : [gold]
  const indices = all.map((one: unknown) => {
    const named = typeof one === 'string' ? choices.indexOf(one) : -1
    return named >= 0 ? named : indexOf(one)
  })
  const isGood = (index: unknown): index is number =>
    typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < choices.length
  if (indices.length > 0 && indices.every(isGood)) return indices
  throw wrong(
    record,
    `the right answer is ${JSON.stringify(gold) ?? 'missing'}, the choices are ${choices.length}`,
    'number them from 0, or write the text of the right one',
  )
}

/** `"2"` → 2; what is no index stays as it is. */
export function indexOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
}

/** At least two texts that are not empty; E_DATA. */
export function choicesOf(record: DataRecord, choices: unknown): string[] {
  if (!Array.isArray(choices) || choices.length < 2)
    throw wrong(record, 'expected a list of at least two choices')
  return choices.map((choice: unknown, i) => {
    if (typeof choice === 'string' && choice !== '') return choice
    throw wrong(record, `choice ${i} is ${choice === '' ? 'empty' : 'no text'}`, 'give each choice some text')
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Value = DataRecord['value']

/** The same error, with what the records of this task look like; of a later record, that the first one decided. */
function withShape(
  { code, what, place, cause }: TrituneError,
  { about }: Shape,
  first: DataRecord,
): TrituneError {
  const wanted = about.replace(/^or /, '')
  const isFirst = place === placeOf(first)
  const remedy = isFirst
    ? wanted
    : `the first record of a file decides what all are: ${wanted}; mend this one, or give records of another kind a file of their own`
  return new TrituneError(code, what, { place, remedy, cause })
}

interface Shape {
  /** For errors: what its records look like. */
  readonly about: string
  fits(value: Value): boolean
  task(name: string, records: readonly DataRecord[]): Task
}

/** White space around a text that was written does not count. */
const TRIMMED: MatchOptions = { ...EXACT, ignored: [/^\s+|\s+$/gu] }

const has =
  (...keys: readonly string[]) =>
  (value: Value): boolean =>
    keys.every((key) => Object.hasOwn(value, key))

const CONTEXTS = ['query', 'context', 'prompt', 'question', 'input'] as const
const GOLDS = ['gold', 'label', 'answer'] as const
const TARGETS = ['answer', 'target', 'output', 'completion', 'response'] as const

const SHAPES: readonly Shape[] = [
  choices(
    'HellaSwag has ctx_a, ctx_b, activity_label, endings and label',
    has('ctx_a', 'ctx_b', 'activity_label', 'endings', 'label'),
    (record) => {
      const [activity, a, b] = ['activity_label', 'ctx_a', 'ctx_b'].map((key) => textOf(record, key))
      const endings = choicesOf(record, record.value['endings']).map(withoutBrackets)
      return [withoutBrackets(`${activity}: ${a} ${capitalized(b)}`), endings, indexOf(record.value['label'])]
    },
  ),
  choices('or ctx, endings and label', has('ctx', 'endings', 'label'), (record) => [
    withoutBrackets(textOf(record, 'ctx')),
    choicesOf(record, record.value['endings']).map(withoutBrackets),
    indexOf(record.value['label']),
  ]),
  choices('ARC has question, choices and answerKey', has('question', 'choices', 'answerKey'), (record) => [
    `Question: ${textOf(record, 'question')}\nAnswer:`,
    ...lettered(record),
  ]),
  choices(
    'OpenBookQA has question_stem, choices and answerKey',
    has('question_stem', 'choices', 'answerKey'),
    (record) => [textOf(record, 'question_stem'), ...lettered(record)],
  ),
  choices('PIQA has goal, sol1, sol2 and label', has('goal', 'sol1', 'sol2', 'label'), (record) => [
    `Question: ${textOf(record, 'goal')}\nAnswer:`,
    choicesOf(record, [record.value['sol1'], record.value['sol2']]),
    indexOf(record.value['label']),
  ]),
  choices(
    'a choice has a context or question, a list of choices, and gold, label or answer',
    (value) => CONTEXTS.some((key) => has(key)(value)) && Array.isArray(value['choices']),
    (record) => [
      textOf(record, keyOf(record, CONTEXTS)),
      choicesOf(record, record.value['choices']),
      record.value[keyOf(record, GOLDS)],
    ],
  ),
  {
    about: 'a text to be written has a prompt or question, and an answer or target',
    fits: (value) => CONTEXTS.some((key) => has(key)(value)) && TARGETS.some((key) => has(key)(value)),
    task: (name, records) => ({
      name,
      kind: 'generate_until',
      measures: DEFAULT_MEASURES.generate_until,
      writing: DEFAULT_WRITING,
      match: TRIMMED,
      items: records.map((record) => ({
        place: placeOf(record),
        context: textOf(record, keyOf(record, CONTEXTS)),
        targets: targetsOf(record),
      })),
    }),
  },
  {
    about: 'a text for perplexity has text',
    fits: has('text'),
    task: (name, records) => ({
      name,
      kind: 'loglikelihood_rolling',
      measures: DEFAULT_MEASURES.loglikelihood_rolling,
      items: records.map((record) => ({ place: placeOf(record), text: textOf(record, 'text') })),
    }),
  },
]

function choices(
  about: string,
  fits: (value: Value) => boolean,
  read: (record: DataRecord) => [context: string, choices: readonly string[], gold: unknown],
): Shape {
  const item = (record: DataRecord): ChoiceItem => {
    const [context, options, gold] = read(record)
    return {
      place: placeOf(record),
      context,
      delimiter: ' ',
      choices: options,
      gold: goldOf(record, gold, options),
    }
  }
  return {
    about,
    fits,
    task: (name, records) => ({
      name,
      kind: 'multiple_choice',
      measures: DEFAULT_MEASURES.multiple_choice,
      items: records.map(item),
    }),
  }
}

/** `{ text: […], label: ['A', …] }` and `answerKey: 'A'`. */
function lettered(record: DataRecord): [string[], number] {
  const { choices: both, answerKey } = record.value
  const { text, label }: { text?: unknown; label?: unknown } =
    typeof both === 'object' && both !== null ? both : {}
  const options = choicesOf(record, text)
  const letters: unknown[] = Array.isArray(label) ? label : []
  const gold = letters.indexOf(typeof answerKey === 'string' ? stripped(answerKey) : answerKey)
  if (gold >= 0 && gold < options.length) return [options, gold]
  throw wrong(record, `answerKey ${JSON.stringify(answerKey)} is none of ${JSON.stringify(letters)}`)
}

/** As lm-evaluation-harness cleans the texts of HellaSwag, whose brackets are left-overs of WikiHow. */
function withoutBrackets(text: string): string {
  return stripped(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ')
}

function keyOf(record: DataRecord, keys: readonly string[]): string {
  const found = keys.find((key) => has(key)(record.value))
  if (found !== undefined) return found
  throw wrong(record, `there is none of ${keys.join(', ')}`)
}

function targetsOf(record: DataRecord): string[] {
  const key = keyOf(record, TARGETS)
  const target = record.value[key]
  if (!Array.isArray(target)) return [textOf(record, key)]
  if (target.length > 0 && target.every((one): one is string => typeof one === 'string')) return target
  throw wrong(record, `expected "${key}" to be a text or a list of texts`)
}

function wrong(record: DataRecord, what: string, remedy?: string): TrituneError {
  return new TrituneError('E_DATA', what, { place: placeOf(record), remedy })
}
