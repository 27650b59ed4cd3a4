/**
 * Text from a model that is open, piece by piece.
 */
import { type ChatMessage, type Model, TrituneError } from '../../core/mod.ts'
import type { Tokenizer } from '../tokenizer/mod.ts'
import { generate, type GenerateOptions } from './generate.ts'
import { watchForStops } from './stop-watch.ts'

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
  const watch = watchForStops(stop)
  for (const id of generate(model, ids, { ...options, stopIds: tokenizer.eosIds })) {
    const piece = watch.push(decoder.push(id))
    if (piece !== '') yield piece
    if (watch.found !== null) return
  }
  const last = watch.push(decoder.end()) + watch.end()
  if (last !== '') yield last
}
