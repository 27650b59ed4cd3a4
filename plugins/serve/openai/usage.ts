/**
 * How many tokens a request took, as OpenAI counts them: a prompt counts once, however many texts go on from it.
 */
import type { WritingEnd } from '../text/writing.ts'

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details: { readonly cached_tokens: number }
}

export function usageOf(prompts: readonly (readonly number[])[], ends: readonly WritingEnd[]): Usage {
  const prompt = prompts.reduce((sum, { length }) => sum + length, 0)
  const completion = ends.reduce((sum, { tokens }) => sum + tokens, 0)
  const reused = Math.min(prompt, ...ends.map((end) => end.reused))
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: ends.length === 0 ? 0 : reused },
  }
}
