/** The content of a message in the forms that datasets give it: a text, a list of text parts, or none. */
import { showValue } from '../../../core/mod.ts'
import { isMapping } from './chat-tools.ts'
import { recordError } from '../types/dataset-type.ts'
import type { RecordSource } from '../types/dataset-type.ts'
import type { TrainDetail } from './train-details.ts'

/** A content, and which parts of it are trained where its parts say so. */
export interface ReadContent {
  readonly text: string | undefined
  readonly details: readonly TrainDetail[] | undefined
}

/** The text; undefined when there is none. Throws E_DATA for images and other values. */
export function readContent(value: unknown, place: string, source: RecordSource): ReadContent {
  if (value === undefined || value === null) return { text: undefined, details: undefined }
  if (typeof value === 'string') return { text: value, details: undefined }
  if (!Array.isArray(value))
    throw recordError(source, `expected ${place} to be a text, got ${showValue(value)}`)
  const texts = value.map((part: unknown, i) => partText(part, `${place}[${i}]`, source))
  const flags = value.map((part: unknown, i) => partFlag(part, `${place}[${i}]`, source))
  if (flags.every((flag) => flag === undefined)) return { text: texts.join(''), details: undefined }
  let begin = 0
  const details = texts.flatMap((text, i): TrainDetail[] => {
    const detail = { begin, end: begin + text.length - 1, isTrained: flags[i] ?? true }
    begin += text.length
    return text === '' ? [] : [detail]
  })
  return { text: texts.join(''), details }
}

/** `train`, or `weight`, where 0 is false. */
function partFlag(part: unknown, place: string, source: RecordSource): boolean | undefined {
  if (!isMapping(part)) return undefined
  const { train, weight } = part
  if (typeof train === 'boolean') return train
  if (train !== undefined && train !== null)
    throw recordError(source, `expected ${place}.train to be true or false, got ${showValue(train)}`)
  if (weight === undefined || weight === null) return undefined
  if (typeof weight === 'number' || typeof weight === 'bigint') return Number(weight) !== 0
  throw recordError(source, `expected ${place}.weight to be a number, got ${showValue(weight)}`)
}

function partText(part: unknown, place: string, source: RecordSource): string {
  if (typeof part === 'string') return part
  if (!isMapping(part))
    throw recordError(source, `expected ${place} to be a part of a text, got ${showValue(part)}`)
  const text = [part['text'], part['content'], part['value']].find(
    (candidate) => typeof candidate === 'string',
  )
  if (typeof text === 'string') return text
  const kind = typeof part['type'] === 'string' ? part['type'] : 'something that has no text'
  throw recordError(source, `${place} is ${kind}; only texts can be trained on`)
}

/** Reasoning that stands in front of an answer, in the ways that models write it. */
const THOUGHTS = [
  ['<think>', '</think>'],
  ['<reasoning>', '</reasoning>'],
  ['<|begin_of_thought|>', '<|end_of_thought|>'],
] as const
const SOLUTION = ['<|begin_of_solution|>', '<|end_of_solution|>'] as const

/** `split_thinking`: the reasoning inside of a content, apart from the answer; undefined when there is none. */
export function splitThinking(
  content: string,
): { readonly reasoning: string; readonly answer: string } | undefined {
  const pair = THOUGHTS.find(([open, close]) => content.includes(open) && content.includes(close))
  if (pair === undefined) return undefined
  const [open, close] = pair
  const end = content.indexOf(close)
  const reasoning = content.slice(content.indexOf(open) + open.length, end).trim()
  const rest = content.slice(end + close.length).trimStart()
  const [begin, finish] = SOLUTION
  if (!rest.includes(begin) || !rest.includes(finish)) return { reasoning, answer: rest }
  return { reasoning, answer: rest.slice(rest.indexOf(begin) + begin.length, rest.indexOf(finish)).trim() }
}
