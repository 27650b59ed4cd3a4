/**
 * The type `preference`: records as trl takes them, `{ prompt, chosen, rejected }` or `{ prompt, completion, label }`, each a text or a list of
 * messages; without a prompt it is what both answers begin with. Messages go through the chat template, texts get BOS and EOS.
 *
 * It is what an entry without `type` means in training from preferences, and `passthrough.default` of axolotl.
 */
import type {
  ChatMessage,
  DataRecord,
  DatasetContext,
  DatasetDefinition,
  TokenizedExample,
} from '../../../core/mod.ts'
import { labelledExample, pairExample, recordError } from './answers-example.ts'
import { checkedMessages, textOf, valueOf } from './record-fields.ts'

/** Records as trl takes them. */
export const plainPreference: DatasetDefinition<DatasetContext> = {
  name: 'preference',
  makes: ['pair', 'labelled'],
  tokenize: (record, context) =>
    context.kind === 'labelled' ? answer(record, context) : pair(record, context),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function pair(record: DataRecord, context: DatasetContext): TokenizedExample {
  const answers = [valueOf(record, 'chosen'), valueOf(record, 'rejected')]
  if (answers.every((one) => typeof one === 'string')) {
    if (record.value['prompt'] === undefined) return pairWithoutPrompt(record, context)
    const [chosen, rejected] = [textOf(record, 'chosen'), textOf(record, 'rejected')]
    return pairExample(record, textOf(record, 'prompt'), { chosen, rejected }, context)
  }
  const [better, worse] = [
    checkedMessages(record, answers[0], 'chosen'),
    checkedMessages(record, answers[1], 'rejected'),
  ]
  const given = record.value['prompt']
  const prompt = given === undefined ? sharedTurns(record, better, worse) : promptMessages(record, given)
  const lead = given === undefined ? [] : prompt
  const render = renderer(record, context)
  return pairExample(
    record,
    render(prompt, true),
    { chosen: render([...lead, ...better], false), rejected: render([...lead, ...worse], false) },
    context,
    { isRendered: true },
  )
}

function answer(record: DataRecord, context: DatasetContext): TokenizedExample {
  if (record.value['completion'] === undefined && record.value['chosen'] !== undefined)
    throw recordError(
      record,
      'the record is a pair of answers, and rl: kto takes answers with labels',
      'write two records { prompt, completion, label }, or set rl: dpo',
    )
  const [completion, label] = [valueOf(record, 'completion'), record.value['label']]
  const prompt = valueOf(record, 'prompt')
  if (typeof completion === 'string')
    return labelledExample(record, textOf(record, 'prompt'), { completion, label }, context)
  const render = renderer(record, context)
  const lead = promptMessages(record, prompt)
  const whole = render([...lead, ...checkedMessages(record, completion, 'completion')], false)
  return labelledExample(record, render(lead, true), { completion: whole, label }, context, {
    isRendered: true,
  })
}

/** trl's `extract_prompt` of texts: what both begin with, without a space at its end. */
function pairWithoutPrompt(record: DataRecord, context: DatasetContext): TokenizedExample {
  const [chosen, rejected] = [textOf(record, 'chosen'), textOf(record, 'rejected')]
  const shorter = Math.min(chosen.length, rejected.length)
  let end = 0
  while (end < shorter && chosen[end] === rejected[end]) end++
  if (end > 0 && end < shorter && chosen[end - 1] === ' ') end--
  if (end === 0) throw notShared(record)
  const prompt = chosen.slice(0, end)
  return pairExample(record, prompt, { chosen: chosen.slice(end), rejected: rejected.slice(end) }, context)
}

function sharedTurns(
  record: DataRecord,
  better: readonly ChatMessage[],
  worse: readonly ChatMessage[],
): readonly ChatMessage[] {
  const different = better.findIndex((message, i) => JSON.stringify(message) !== JSON.stringify(worse[i]))
  // Equal conversations: all but the answer.
  const end = different < 0 ? better.length - 1 : different
  if (end <= 0) throw notShared(record)
  return better.slice(0, end)
}

function notShared(record: DataRecord): Error {
  return recordError(
    record,
    '"chosen" and "rejected" begin differently, and there is no "prompt": they answer no common prompt',
    'give the prompt under "prompt", or write it at the start of both answers',
  )
}

/** A text is what the user says. */
function promptMessages(record: DataRecord, prompt: unknown): ChatMessage[] {
  return typeof prompt === 'string'
    ? [{ role: 'user', content: prompt }]
    : checkedMessages(record, prompt, 'prompt')
}

function renderer(
  record: DataRecord,
  { tokenizer }: DatasetContext,
): (messages: readonly ChatMessage[], addGenerationPrompt: boolean) => string {
  const { tools } = record.value
  return (messages, addGenerationPrompt) =>
    tokenizer.renderChat(messages, { addGenerationPrompt, ...(Array.isArray(tools) ? { tools } : {}) })
}
