/**
 * How far two models are apart on a text: what an export cost.
 */
import { headLogits, type Model, noGrad, tensorScope } from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'
import { createTokenizer, type TokenizerFiles } from '../tokenizer/mod.ts'

/** What two models say about the same tokens. */
export interface LogitDifference {
  readonly tokens: number
  /** max |Δ logit| */
  readonly most: number
  /** The largest size of a logit of the first model. */
  readonly largest: number
  /** Mean KL divergence of the next token, in nats. */
  readonly divergence: number
  /** Tokens after which both hold the same next one for the most likely. */
  readonly sameTop: number
}

const PROMPT =
  'The harbour was quiet when the surveyor arrived. Two boats lay on the mud, and a boy was counting gulls: 1, 2, 3. "How long will you stay?"'

/** Ids of a short English text; without a tokenizer some of the vocabulary. */
export function promptIds(files: TokenizerFiles | null, vocabSize: number): number[] {
  if (files === null) return Array.from({ length: 24 }, (_, i) => (i * i + 1) % vocabSize)
  const ids = createTokenizer(files).encode(PROMPT)
  return ids.filter((id) => id < vocabSize).slice(0, 32)
}

/** (tokens · vocabulary) logits. */
export function promptLogits(model: Model, ids: readonly number[]): Float32Array {
  using _scope = tensorScope()
  const batch = createBatch({ ids: Int32Array.from(ids), offsets: [0, ids.length] }, model.head.device)
  return noGrad(() => headLogits(model.head, model.hidden(batch))).toArray()
}

/** `from` are the logits that count. */
export function compareLogits(from: Float32Array, to: Float32Array, tokens: number): LogitDifference {
  const vocabulary = from.length / tokens
  let [most, largest, divergence, sameTop] = [0, 0, 0, 0]
  for (let t = 0; t < tokens; t++) {
    const a = from.subarray(t * vocabulary, (t + 1) * vocabulary)
    const b = to.subarray(t * vocabulary, (t + 1) * vocabulary)
    for (let i = 0; i < vocabulary; i++) {
      const difference = Math.abs(a[i] - b[i])
      if (!(difference <= most)) most = Number.isNaN(difference) ? Infinity : difference
      largest = Math.max(largest, Math.abs(a[i]))
    }
    divergence += divergenceOf(a, b) / tokens
    if (argmax(a) === argmax(b)) sameTop++
  }
  return { tokens, most, largest, divergence, sameTop }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function divergenceOf(a: Float32Array, b: Float32Array): number {
  const [sumA, sumB] = [logSum(a), logSum(b)]
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    const logA = a[i] - sumA
    sum += Math.exp(logA) * (logA - (b[i] - sumB))
  }
  return Math.max(0, sum)
}

function logSum(values: Float32Array): number {
  const largest = values[argmax(values)]
  let sum = 0
  for (const value of values) sum += Math.exp(value - largest)
  return largest + Math.log(sum)
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i
  return best
}
