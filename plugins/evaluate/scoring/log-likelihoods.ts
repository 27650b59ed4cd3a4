/**
 * log p of continuations after their contexts: many in one pass of the model, without padding.
 *
 * What is equal is computed once: answers of one token to one question are one document, whose last row gives all of them.
 */
import {
  embedding,
  headLogProbs,
  headRows,
  leadLength,
  type Model,
  noGrad,
  sample,
  tensor,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import { createBatch } from '../../models/mod.ts'
import type { EncodedPair } from './encode-pair.ts'

/** How likely a continuation is. */
export interface LogLikelihood {
  /** Sum over its tokens, in nats. */
  readonly sum: number
  readonly tokens: number
  /** Whether each of its tokens is the likeliest one; null where nobody asked. */
  readonly isGreedy: boolean | null
  /** Tokens at the beginning of the context that did not fit. */
  readonly cut: number
}

/** Options of `logLikelihoods()`. */
export interface LogLikelihoodOptions {
  /** Also tells whether they are the likeliest; default: false. */
  readonly greedy?: boolean
  /** Positions of one text; default: the context of the model, less what an adapter puts before each text. */
  readonly maxLength?: number
  /** Tokens of one pass; a longer text has a pass of its own. Default: 2048. */
  readonly tokensAtOnce?: number
  /** Called with each pair as it is done. */
  readonly onDone?: (done: number) => void
}

/**
 * For each pair, in their order. A context that is too long loses its beginning. Throws E_SHAPE for a continuation that is longer than the
 * context of the model, with its place.
 *
 * @example
 * ```ts
 * import { logLikelihoods } from 'tritune/plugins/evaluate'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * const [likely, unlikely] = logLikelihoods(model, [
 *   { context: [1, 5, 9], continuation: [4] },
 *   { context: [1, 5, 9], continuation: [7, 8] },
 * ])
 * console.log(likely.sum < 0, unlikely.tokens) // → true 2
 * ```
 */
export function logLikelihoods(
  model: Model,
  pairs: readonly EncodedPair[],
  options: LogLikelihoodOptions = {},
): LogLikelihood[] {
  const { greedy = false, tokensAtOnce = 2048, onDone } = options
  const room = model.info.contextLength - leadLength(model)
  const maxLength = Math.min(room, options.maxLength ?? room)
  const documents = documentsOf(pairs, maxLength)
  const results: LogLikelihood[] = []
  let done = 0
  for (const group of passes(documents, tokensAtOnce)) {
    const scores = scoreTogether(model, group, greedy)
    let row = 0
    for (const { answers } of group)
      for (const { index, targets, cut } of answers) {
        const end = row + targets.length
        results[index] = {
          sum: total(scores.logProbs.subarray(row, end)),
          tokens: targets.length,
          isGreedy: scores.greedyIds && targets.every((id, i) => scores.greedyIds?.[row + i] === id),
          cut,
        }
        row = end
        done++
      }
    onDone?.(done)
  }
  return results
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Tokens that go through the model once, and what is asked of their last rows. */
interface Document {
  readonly input: readonly number[]
  readonly answers: {
    readonly index: number
    readonly targets: readonly number[]
    readonly cut: number
  }[]
}

/** One for each different input, the longest first. */
function documentsOf(pairs: readonly EncodedPair[], maxLength: number): Document[] {
  const documents = new Map<string, Document>()
  for (const [index, { context, continuation, place }] of pairs.entries()) {
    if (continuation.length > maxLength)
      throw new TrituneError(
        'E_SHAPE',
        `the answer has ${continuation.length} tokens, the model knows ${maxLength}`,
        { place, remedy: 'shorten it, or measure it as a text' },
      )
    const all = [...context, ...continuation]
    const cut = Math.max(0, all.length - maxLength - 1)
    const input = all.slice(cut, -1)
    const key = input.join()
    const document = documents.get(key) ?? { input, answers: [] }
    documents.set(key, document)
    document.answers.push({ index, targets: continuation, cut })
  }
  return [...documents.values()].toSorted((a, b) => b.input.length - a.input.length)
}

/** As many documents as have so many tokens; at least one. */
function* passes(documents: readonly Document[], tokensAtOnce: number): Generator<Document[]> {
  let group: Document[] = []
  let tokens = 0
  for (const document of documents) {
    if (group.length > 0 && tokens + document.input.length > tokensAtOnce) {
      yield group
      group = []
      tokens = 0
    }
    group.push(document)
    tokens += document.input.length
  }
  if (group.length > 0) yield group
}

interface RowScores {
  readonly logProbs: Float32Array
  readonly greedyIds: ArrayLike<number> | null
}

/** Of each row that is asked for, in the order of the answers. */
function scoreTogether(model: Model, documents: readonly Document[], greedy: boolean): RowScores {
  const offsets = [0]
  const rows: number[] = []
  const targets: number[] = []
  for (const { input, answers } of documents) {
    const end = offsets[offsets.length - 1] + input.length
    offsets.push(end)
    for (const answer of answers)
      for (const [i, id] of answer.targets.entries()) {
        rows.push(end - answer.targets.length + i)
        targets.push(id)
      }
  }
  return noGrad(() => {
    using _scope = tensorScope()
    const { device } = model.head
    const ints = { dtype: 'i32', device } as const
    const batch = createBatch({ ids: documents.flatMap(({ input }) => input), offsets }, device)
    const hidden = embedding(model.hidden(batch), tensor(rows, ints))
    const logProbs = headLogProbs(model.head, hidden, tensor(targets, ints)).toArray()
    if (!greedy) return { logProbs: Float32Array.from(logProbs), greedyIds: null }
    const best = headRows(model.head, hidden, (logits) => sample(logits, GREEDY))
    return {
      logProbs: Float32Array.from(logProbs),
      greedyIds: best.flatMap((ids) => [...ids.toArray()]),
    }
  })
}

const GREEDY = {
  temperature: 0,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
  history: null,
  key: new Uint32Array(6),
} as const

function total(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}
