/**
 * What a request gives to go on from, as ids: a text, or messages through the chat template of the model.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { ChatMessage, RenderOptions, Tokenizer } from '../../tokenizer/mod.ts'

/** Throws E_DATA for a text without tokens. */
export function promptOfText(tokenizer: Tokenizer, text: string): number[] {
  return withTokens(tokenizer.encode(text))
}

/** Throws E_TOKENIZER when there is no template, or it refuses the messages. `opening` is the beginning of the answer, which is then gone on from. */
export function promptOfMessages(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { opening = '', ...options }: Omit<RenderOptions, 'addGenerationPrompt'> & { readonly opening?: string },
): number[] {
  const text = tokenizer.renderChat(messages, { ...options, addGenerationPrompt: true })
  return withTokens(tokenizer.encode(text + opening, { addSpecialTokens: false }))
}

/**
 * How many tokens can come after a prompt, at most `wanted`. Throws E_SHAPE for one that leaves no room.
 */
export function roomAfter(prompt: readonly number[], tokens: number, wanted: number | null): number {
  const room = tokens - prompt.length
  if (room < 1)
    throw new TrituneError(
      'E_SHAPE',
      `the prompt has ${prompt.length} tokens, prompt and answer together can have ${tokens}`,
      { remedy: 'shorten the messages' },
    )
  return wanted === null ? room : Math.min(room, wanted)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function withTokens(ids: number[]): number[] {
  if (ids.length > 0) return ids
  throw new TrituneError('E_DATA', 'the prompt has no tokens', { remedy: 'give some text' })
}
