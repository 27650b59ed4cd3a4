/**
 * `type: prompt`: what a model goes on from, for runs that make the answers themselves (`rl: grpo`).
 *
 * `prompt` is a text, taken as it is, or a list of messages, which goes through the chat template up to where the model writes; so does `messages`.
 * Everything else in the record is for the rewards.
 */
import type { ChatMessage } from '../../../core/contracts/dataset.ts'
import { showValue } from '../../../core/contracts/config.ts'
import { didYouMean } from '../../../core/errors.ts'
import {
  type DataRecord,
  type DatasetType,
  IGNORE,
  recordError,
  type TokenizeContext,
} from './dataset-type.ts'
import { encodeOpening } from './prompt-response.ts'

/** The dataset type `prompt`: records `{ prompt }`, a text or messages, without an answer. */
export const prompt: DatasetType = {
  name: 'prompt',
  tokenize(record, context) {
    const ids = Int32Array.from(idsOf(record, context))
    if (ids.length === 0) throw recordError(record.source, 'the prompt has no tokens')
    // Nothing of it is trained; the label of its last token says that there is something to go on from.
    const labels = ids.slice().fill(IGNORE, 0, ids.length - 1)
    return { ids, labels, source: record.source }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function idsOf({ value, source }: DataRecord, { tokenizer, options }: TokenizeContext): number[] {
  const key = options.field_messages ?? 'messages'
  const given = value.prompt ?? value[key]
  if (typeof given === 'string') return encodeOpening(tokenizer, given)
  if (given === undefined || given === null)
    throw recordError(source, `there is no "prompt"; ${didYouMean('prompt', Object.keys(value))}`)
  if (!isConversation(given))
    throw recordError(source, `expected "prompt" to be a text or a list of messages, got ${showValue(given)}`)
  if (given[given.length - 1].role === 'assistant')
    throw recordError(
      source,
      'the last message of the prompt is an answer',
      'leave it out: the model writes it',
    )
  const tools: unknown = value[options.field_tools]
  const text = tokenizer.renderChat(given, {
    addGenerationPrompt: true,
    ...(Array.isArray(tools) ? { tools } : {}),
  })
  return tokenizer.encode(text, { addSpecialTokens: false })
}

function isConversation(given: unknown): given is readonly ChatMessage[] {
  return (
    Array.isArray(given) &&
    given.length > 0 &&
    given.every((message: unknown) => typeof message === 'object' && message !== null && 'role' in message)
  )
}
