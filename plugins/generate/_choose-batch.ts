/**
 * The next tokens of several texts at once, each by its own options and rules.
 */
import { add, concat, tensor, type Tensor } from '../../core/mod.ts'
import { chooseToken } from './_choose.ts'
import { logprobsOf } from './_logprobs.ts'
import type { Choice, Text } from './_text.ts'

/** Logits (1, V) f32 of each text → its token. The tokens are read together: a GPU is waited for once. */
export function chooseAll(all: readonly { readonly text: Text; readonly logits: Tensor }[]): Choice[] {
  const ids = concat(
    all.map(({ text, logits }) => chooseToken(ruled(logits, text), text.sampling, text.history, text.made)),
  ).toArray()
  return all.map(({ text: { logprobs }, logits }, i) => ({
    id: ids[i],
    logprobs: logprobs === null ? null : logprobsOf(logits.toArray(), ids[i], logprobs),
  }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Moves the logits of tokens that the text may not say out of reach. */
function ruled(logits: Tensor, { constraint, sampling: { stopIds } }: Text): Tensor {
  if (constraint === null) return logits
  const words = constraint.allowed()
  const vocab = logits.shape[1]
  const shifts = new Float32Array(vocab).fill(FORBIDDEN)
  for (let word = 0; word < words.length; word++)
    for (let bits = words[word]; bits !== 0; bits &= bits - 1) {
      const id = word * 32 + 31 - Math.clz32(bits & -bits)
      if (id < vocab) shifts[id] = 0
    }
  for (const id of stopIds) if (id < vocab) shifts[id] = constraint.canEnd ? 0 : FORBIDDEN
  return add(logits, tensor(shifts, { shape: [1, vocab], device: logits.device }))
}

/** No logit comes near, and f32 holds it. */
const FORBIDDEN = -1e30
