/**
 * What a request gives to go on from, as ids: a text, or messages through the chat template of the model.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { ChatMessage, RenderOptions, Tokenizer } from '../../tokenizer/mod.ts'

/** Throws E_DATA for a text without tokens, E_SHAPE for one that is too long to be `tokens`. */
export function promptOfText(tokenizer: Tokenizer, text: string, tokens: number): number[] {
  expectPossible(text, tokens, 'prompt')
  return withTokens(tokenizer.encode(text))
}

/** What a prompt of messages is made by. */
export interface MessagesPrompt extends Omit<RenderOptions, 'addGenerationPrompt'> {
  /** Tokens of a text, its prompt included. */
  readonly tokens: number
  /** The beginning of the answer, which is then gone on from. */
  readonly opening?: string
}

/** Throws E_TOKENIZER when there is no template, or it refuses the messages, and what `promptOfText()` throws. */
export function promptOfMessages(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { tokens, opening = '', ...options }: MessagesPrompt,
): number[] {
  const text = tokenizer.renderChat(messages, { ...options, addGenerationPrompt: true })
  expectPossible(text, tokens, 'messages')
  return withTokens(tokenizer.encode(text + opening, { addSpecialTokens: false }))
}

/**
 * How many tokens can come after a prompt, at most `wanted`. Throws E_SHAPE for one that leaves no room, which tells to shorten what was `given`.
 */
export function roomAfter(
  prompt: readonly number[],
  tokens: number,
  wanted: number | null,
  given: 'messages' | 'prompt',
): number {
  const room = tokens - prompt.length
  if (room < 1)
    throw new TrituneError(
      'E_SHAPE',
      `the prompt has ${prompt.length} tokens, prompt and answer together can have ${tokens}`,
      { remedy: `shorten the ${given}` },
    )
  return wanted === null ? room : Math.min(room, wanted)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** No vocabulary has much longer tokens: of blanks. */
const LONGEST_TOKEN = 128

/** Megabytes of text are refused before they are read: while they are, nobody else is answered. */
function expectPossible(text: string, tokens: number, given: 'messages' | 'prompt'): void {
  if (text.length <= tokens * LONGEST_TOKEN) return
  throw new TrituneError(
    'E_SHAPE',
    `the prompt has ${text.length} characters, prompt and answer together can have ${tokens} tokens`,
    { remedy: `shorten the ${given}` },
  )
}

function withTokens(ids: number[]): number[] {
  if (ids.length > 0) return ids
  throw new TrituneError('E_DATA', 'the prompt has no tokens', { remedy: 'give some text' })
}
