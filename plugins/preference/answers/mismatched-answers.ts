/**
 * Prompts with answers that belong to other prompts, for the KL estimate of KTO: in groups of records each prompt gets the answer of the
 * record before it, the first that of the last, as in trl.
 */
import type { TokenizedExample } from '../../../core/mod.ts'

/** Each example with its mismatched twin; none is longer than `longest` tokens. */
export function mismatchedAnswers(
  examples: readonly TokenizedExample[],
  { groupSize, longest }: { readonly groupSize: number; readonly longest: number },
): [TokenizedExample, TokenizedExample][] {
  return groups(examples, Math.max(2, groupSize)).flatMap((group) =>
    group.map((example, i): [TokenizedExample, TokenizedExample] => [
      example,
      joined(example, group[(i + group.length - 1) % group.length], longest),
    ]),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** In order; one that is left alone joins the group before it, as it could only meet itself. */
function groups(examples: readonly TokenizedExample[], size: number): TokenizedExample[][] {
  const found: TokenizedExample[][] = []
  for (let start = 0; start < examples.length; start += size) found.push(examples.slice(start, start + size))
  const last = found.at(-1)
  if (last?.length === 1 && found.length > 1) found.splice(-2, 2, [...found[found.length - 2], ...last])
  return found
}

function joined(prompt: TokenizedExample, answer: TokenizedExample, longest: number): TokenizedExample {
  const [promptEnd, answerStart] = [answerOf(prompt), answerOf(answer)]
  const end = Math.min(answer.ids.length, answerStart + Math.max(0, longest - promptEnd))
  const ids = Int32Array.from([
    ...prompt.ids.subarray(0, promptEnd),
    ...answer.ids.subarray(answerStart, end),
  ])
  return { ids, labels: ids.slice().fill(-100, 0, promptEnd), source: prompt.source }
}

/** Where the trained part begins. */
function answerOf({ labels }: TokenizedExample): number {
  const start = labels.findIndex((label) => label >= 0)
  return start < 0 ? labels.length : start
}
