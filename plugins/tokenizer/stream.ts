/**
 * Text from tokens that arrive one by one. A character may be spread over several tokens, and a token's text may depend
 * on the one before it, so a short window is decoded again at each step and text is given only when it is final.
 */

export interface DecodeStream {
  /** The text that became certain with this token; often empty in the middle of a character. */
  push(id: number): string
  /** What is left at the end: broken bytes come as U+FFFD, as in a decode of all ids. */
  end(): string
}

/** The pieces of a stream, joined, are `decode` of all ids. */
export function createDecodeStream(decode: (ids: readonly number[]) => string): DecodeStream {
  /** Tokens whose text was given, kept as context for the next, then those whose text is not. */
  let window: number[] = []
  let given = 0

  function fresh(final: boolean): string {
    const before = decode(window.slice(0, given))
    const now = decode(window)
    if (!final && now.endsWith('\uFFFD')) return ''
    window = window.slice(given)
    given = window.length
    return now.slice(before.length)
  }
  return {
    push(id) {
      window.push(id)
      return fresh(false)
    },
    end() {
      const rest = fresh(true)
      window = []
      given = 0
      return rest
    },
  }
}
