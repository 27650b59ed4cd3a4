/**
 * How likely tokens were, as /v1/chat/completions tells it.
 */
import type { TokenText } from '../text/token-texts.ts'
import type { WrittenToken } from '../text/text-writer.ts'

interface ToldToken {
  readonly token: string
  readonly bytes: readonly number[] | null
  readonly logprob: number
}

export interface ChatLogprob extends ToldToken {
  readonly top_logprobs: readonly ToldToken[]
}

export function chatLogprobs(
  tokens: readonly WrittenToken[],
  textOf: (id: number) => TokenText,
): ChatLogprob[] {
  const told = (id: number, logprob: number): ToldToken => {
    const { text, bytes } = textOf(id)
    return { token: text, bytes, logprob: finite(logprob) }
  }
  return tokens.flatMap(({ id, logprobs }) =>
    logprobs === null
      ? []
      : [
          {
            ...told(id, logprobs.logprob),
            top_logprobs: logprobs.top.map((one) => told(one.id, one.logprob)),
          },
        ],
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** JSON has no infinity; the protocol writes so for what is out of reach. */
function finite(logprob: number): number {
  return Math.max(logprob, -9999)
}
