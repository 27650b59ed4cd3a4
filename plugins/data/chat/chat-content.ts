/** The content of a message in the forms that datasets give it: a text, a list of text parts, or none. */
import { showValue } from '../../../core/mod.ts'
import { isMapping } from './chat-tools.ts'
import { recordError } from '../types/dataset-type.ts'
import type { RecordSource } from '../types/dataset-type.ts'

/** The text; undefined when there is none. Throws E_DATA for images and other values. */
export function readContent(value: unknown, place: string, source: RecordSource): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (!Array.isArray(value))
    throw recordError(source, `expected ${place} to be a text, got ${showValue(value)}`)
  return value.map((part: unknown, i) => partText(part, `${place}[${i}]`, source)).join('')
}

function partText(part: unknown, place: string, source: RecordSource): string {
  if (typeof part === 'string') return part
  if (!isMapping(part))
    throw recordError(source, `expected ${place} to be a part of a text, got ${showValue(part)}`)
  if (part['train'] !== undefined || part['weight'] !== undefined) {
    throw recordError(
      source,
      `${place} says whether it is trained; training parts of a message is not supported yet`,
    )
  }
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
