/**
 * Prompt and response → ids and labels, as axolotl's instruction strategies do it: the prompt with BOS and without EOS,
 * the response tokenised apart, EOS at the end, only the response trained.
 *
 * Tokenising apart keeps the boundary exact: no token reaches from the prompt into the response.
 */
import { IGNORE, requireEos } from './dataset-type.ts'
import type { RecordSource, TokenizeContext, TokenizedExample } from './dataset-type.ts'
import type { TokenizerLike } from '../../../core/contracts/dataset.ts'

/** What plain text takes of a tokenizer. */
export type TextTokenizer = Pick<TokenizerLike, 'encode' | 'bosId' | 'eosId'>

/**
 * An example of a prompt and its response: BOS (where the tokenizer sets one) and the prompt, which are not trained,
 * then the response and EOS, which are. An empty response trains nothing.
 */
export function tokenizePromptResponse(
  prompt: string,
  response: string,
  source: RecordSource,
  { tokenizer, trainOnInputs }: TokenizeContext,
): TokenizedExample {
  const promptIds = encodeOpening(tokenizer, prompt)
  // An empty response teaches nothing, not even to stop.
  const responseIds =
    response === '' ? [] : withEos(tokenizer, tokenizer.encode(response, { addSpecialTokens: false }))
  const ids = Int32Array.from([...promptIds, ...responseIds])
  const labels = ids.slice()
  if (!trainOnInputs) labels.fill(IGNORE, 0, promptIds.length)
  return { ids, labels, source }
}

/** The start of an example: BOS where the tokenizer adds one, but no EOS. */
export function encodeOpening(tokenizer: TextTokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { addSpecialTokens: true })
  return addsEos(tokenizer) ? ids.slice(0, -1) : ids
}

/** `ids` with EOS at the end, unless it is there already. */
export function withEos(tokenizer: TextTokenizer, ids: number[]): number[] {
  const eosId = requireEos(tokenizer)
  return ids.at(-1) === eosId ? ids : [...ids, eosId]
}

/** Some tokenizers close every text with EOS. A lone token of an empty text that is BOS and EOS at once is BOS. */
function addsEos(tokenizer: TextTokenizer): boolean {
  const ids = tokenizer.encode('', { addSpecialTokens: true })
  if (ids.length === 0 || ids.at(-1) !== tokenizer.eosId) return false
  return ids.length > 1 || tokenizer.bosId !== tokenizer.eosId
}
