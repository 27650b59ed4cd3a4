/**
 * The types `chatml.*` and `llama3.*` of axolotl, for pairs of answers and for answers with labels: where each finds prompt and answers in
 * a record. The prompt is written in the style of the name, not by the chat template.
 */
import type {
  DataRecord,
  DatasetContext,
  DatasetDefinition,
  ExampleKind,
  TokenizedExample,
} from '../../../core/mod.ts'
import { oneTurn, TURN_STYLES, type TurnStyle } from '../../data/mod.ts'
import { labelledExample, pairExample, recordError } from './answers-example.ts'
import { contentOf, messagesOf, optionalTextOf, textOf, valueOf } from './record-fields.ts'

/** Prompt and answers, before the style's end of a turn. */
interface FoundPair {
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

interface FoundAnswer {
  readonly prompt: string
  readonly completion: string
}

type Reader<T> = (record: DataRecord, style: TurnStyle) => T

const systemOf = (record: DataRecord): string => optionalTextOf(record, 'system')

/** Answers are texts under `chosen` and `rejected`. */
function pairAt(key: string): Reader<FoundPair> {
  return (record, style) => ({
    prompt: oneTurn(style, textOf(record, key), systemOf(record)),
    chosen: textOf(record, 'chosen'),
    rejected: textOf(record, 'rejected'),
  })
}

/** The first of some keys that the record has, else the last. */
function firstOf({ value }: DataRecord, ...keys: readonly string[]): string {
  return keys.find((key) => Object.hasOwn(value, key)) ?? keys[keys.length - 1]
}

const anyPair: Reader<FoundPair> = (record, style) => ({
  prompt: oneTurn(
    style,
    textOf(record, firstOf(record, 'prompt', 'input', 'question', 'instruction')),
    systemOf(record),
  ),
  chosen: textOf(record, firstOf(record, 'chosen', 'chosen_response')),
  rejected: textOf(record, firstOf(record, 'rejected', 'rejected_response')),
})

const PAIRS: Readonly<Record<string, Reader<FoundPair>>> = {
  default: anyPair,
  argilla: anyPair,
  argilla_chat: (record, style) => ({
    prompt: oneTurn(style, samePrompt(record), ''),
    chosen: contentOf(record, 'chosen', 1),
    rejected: contentOf(record, 'rejected', 1),
  }),
  icr: pairAt('input'),
  intel: pairAt('question'),
  prompt_pairs: pairAt('prompt'),
  ultra: (record, style) => ({
    prompt: oneTurn(style, textOf(record, 'prompt'), systemOf(record)),
    chosen: contentOf(record, 'chosen', 1),
    rejected: contentOf(record, 'rejected', 1),
  }),
}

function answerAt(key: string): Reader<FoundAnswer> {
  return (record, style) => ({
    prompt: oneTurn(style, textOf(record, key), systemOf(record)),
    completion: textOf(record, 'completion'),
  })
}

const ANSWERS: Readonly<Record<string, Reader<FoundAnswer>>> = {
  argilla: answerAt('instruction'),
  argilla_chat(record, { turn, opening }) {
    const messages = messagesOf(record, 'completion', 2)
    const written = messages.slice(0, -1).map(({ role }, i) => turn(role, contentOf(record, 'completion', i)))
    return { prompt: written.join('') + opening, completion: contentOf(record, 'completion', -1) }
  },
  intel: answerAt('question'),
  prompt_pairs: answerAt('prompt'),
  ultra: answerAt('prompt'),
}

/** The types by name. */
export const STYLED_TYPES: Readonly<Record<string, DatasetDefinition<DatasetContext>>> = Object.fromEntries(
  Object.entries(TURN_STYLES).flatMap(([name, style]) =>
    Object.keys(PAIRS).map((way) => [`${name}.${way}`, styledType(`${name}.${way}`, style, way)]),
  ),
)

// ---- helpers ----------------------------------------------------------------------------------------------------

function styledType(name: string, style: TurnStyle, way: string): DatasetDefinition<DatasetContext> {
  const makes: readonly ExampleKind[] = Object.hasOwn(ANSWERS, way) ? ['pair', 'labelled'] : ['pair']
  return {
    name,
    makes,
    tokenize: (record, context) =>
      context.kind === 'labelled'
        ? labelled(record, style, ANSWERS[way], context)
        : pair(record, style, PAIRS[way], context),
  }
}

function pair(
  record: DataRecord,
  style: TurnStyle,
  read: Reader<FoundPair>,
  context: DatasetContext,
): TokenizedExample {
  const { prompt, chosen, rejected } = read(record, style)
  return ended(
    chosen === '' || rejected === '',
    pairExample(record, prompt, { chosen: chosen + style.end, rejected: rejected + style.end }, context),
  )
}

function labelled(
  record: DataRecord,
  style: TurnStyle,
  read: Reader<FoundAnswer>,
  context: DatasetContext,
): TokenizedExample {
  const { prompt, completion } = read(record, style)
  const label = valueOf(record, 'label')
  return ended(
    completion === '',
    labelledExample(record, prompt, { completion: completion + style.end, label }, context),
  )
}

/** An answer of nothing but its end teaches nothing. */
function ended(isEmpty: boolean, example: TokenizedExample): TokenizedExample {
  return isEmpty ? { ...example, untrained: 'an answer is empty' } : example
}

/** The question, which both conversations begin with. */
function samePrompt(record: DataRecord): string {
  const [better, worse] = [contentOf(record, 'chosen', 0), contentOf(record, 'rejected', 0)]
  if (better === worse) return better
  throw recordError(
    record,
    '"chosen" and "rejected" do not begin with the same message, so they answer different prompts',
  )
}
