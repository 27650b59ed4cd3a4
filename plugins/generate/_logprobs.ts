/**
 * How likely a model finds the tokens that it makes. Of the logits as they are: no temperature, penalty or constraint has changed them.
 */

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number
  readonly logprob: number
}

/** How likely a token of a text was, and which ones were most likely in its place. */
export interface StepLogprobs {
  /** Of the token that was chosen. */
  readonly logprob: number
  /** As many as the text asked for, the most likely one first. */
  readonly top: readonly TokenLogprob[]
}

/** Of token `id` after `logits`, beside the `count` most likely tokens; of equal ones the lower id comes first. */
export function logprobsOf(logits: ArrayLike<number>, id: number, count: number): StepLogprobs {
  let most = -Infinity
  for (let i = 0; i < logits.length; i++) if (logits[i] > most) most = logits[i]
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most)
  const norm = most + Math.log(sum)
  return {
    logprob: logits[id] - norm,
    top: largest(logits, count).map((i) => ({ id: i, logprob: logits[i] - norm })),
  }
}

/** Places of the `count` largest values, the largest first. */
function largest(values: ArrayLike<number>, count: number): number[] {
  const found: number[] = []
  if (count === 0) return found
  for (let i = 0; i < values.length; i++) {
    if (found.length === count && !(values[i] > values[found[count - 1]])) continue
    let at = found.length
    while (at > 0 && values[i] > values[found[at - 1]]) at--
    found.splice(at, 0, i)
    if (found.length > count) found.pop()
  }
  return found
}
