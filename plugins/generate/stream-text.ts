/**
 * Text from a model that is open, piece by piece.
 */
import { type ChatMessage, type Model, TrituneError } from '../../core/mod.ts'
import type { Tokenizer } from '../tokenizer/mod.ts'
import { generate, type GenerateOptions } from './generate.ts'

/** What to go on from: a text as it is, or messages through the chat template. */
export type GeneratorInput = { readonly prompt: string } | { readonly messages: readonly ChatMessage[] }

/** How `stream()` chooses tokens, and when it ends. */
export interface StreamOptions extends Omit<GenerateOptions, 'stopIds'> {
  /** Texts that end the generation. */
  readonly stop?: readonly string[]
}

/**
 * Text of a model that is already open, as it is made: never half a character, without the stop text.
 *
 * @example
 * ```ts
 * import { streamText } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * using model = loadModel('my-model')
 * const tokenizer = loadTokenizer('my-model')
 * const pieces = [...streamText(model, tokenizer, { prompt: 'Call me' }, { maxNewTokens: 8, stop: ['\n'] })]
 * console.log(pieces.join('').includes('\n')) // → false
 * ```
 */
export function* streamText(
  model: Model,
  tokenizer: Tokenizer,
  input: GeneratorInput,
  { stop = [], ...options }: StreamOptions = {},
): Iterable<string> {
  const ids =
    'prompt' in input
      ? tokenizer.encode(input.prompt)
      : tokenizer.encode(tokenizer.renderChat(input.messages, { addGenerationPrompt: true }), {
          addSpecialTokens: false,
        })
  if (ids.length === 0)
    throw new TrituneError('E_DATA', 'the prompt has no tokens', { remedy: 'give some text' })
  const decoder = tokenizer.createDecodeStream({ skipSpecialTokens: true })
  const hold = Math.max(0, ...stop.map((text) => text.length)) - 1
  let pending = ''
  for (const id of generate(model, ids, { ...options, stopIds: tokenizer.eosIds })) {
    pending += decoder.push(id)
    const cut = firstOf(pending, stop)
    if (cut >= 0) {
      yield pending.slice(0, cut)
      return
    }
    // The end of the text could be the beginning of a stop text.
    const safe = wholeCharacters(pending, pending.length - Math.max(0, hold))
    if (safe > 0) {
      yield pending.slice(0, safe)
      pending = pending.slice(safe)
    }
  }
  pending += decoder.end()
  const cut = firstOf(pending, stop)
  yield cut >= 0 ? pending.slice(0, cut) : pending
}

/** `length`, or one less where that would cut a UTF-16 pair. */
function wholeCharacters(text: string, length: number): number {
  const last = length > 0 ? text.charCodeAt(length - 1) : 0
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length
}

function firstOf(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((i) => i >= 0)
  return found.length > 0 ? Math.min(...found) : -1
}
