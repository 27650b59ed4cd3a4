/**
 * How likely tokens were, as /v1/completions tells it: in lists of equal length.
 */
import type { TokenText } from '../text/token-texts.ts'
import type { WrittenToken } from '../text/text-writer.ts'

export interface TokenLists {
  readonly tokens: readonly string[]
  readonly token_logprobs: readonly (number | null)[]
  readonly top_logprobs: readonly Readonly<Record<string, number>>[]
  /** Where each token begins in the text. */
  readonly text_offset: readonly number[]
}

/** `offset` is where the first one begins. */
export function tokenLists(
  tokens: readonly WrittenToken[],
  textOf: (id: number) => TokenText,
  offset: number,
): TokenLists {
  const texts = tokens.map(({ id }) => textOf(id).text)
  let at = offset
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprobs }) => logprobs?.logprob ?? null),
    top_logprobs: tokens.map(({ logprobs }) =>
      Object.fromEntries((logprobs?.top ?? []).map(({ id, logprob }) => [textOf(id).text, logprob])),
    ),
    text_offset: texts.map((text) => {
      const begins = at
      at += text.length
      return begins
    }),
  }
}
