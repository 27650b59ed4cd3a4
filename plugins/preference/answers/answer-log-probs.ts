/**
 * How likely a model finds answers: the log-probabilities of their tokens, and their sums over documents.
 *
 * Nothing is dropped: as in trl, the losses over whole answers compare two passes that differ in the weights alone.
 */
import {
  concat,
  headLogProbs,
  type HiddenOptions,
  type Model,
  type ObjectiveBatch,
  reshape,
  slice,
  sum,
  type Tensor,
  withNoise,
} from '../../../core/mod.ts'

/** What the log-probabilities are taken of. */
export type AnswerBatch = Pick<ObjectiveBatch, 'tokens' | 'targets'>

/** (T) f32: log p of the target of each token, 0 where there is none. */
export function tokenLogProbs(
  model: Model,
  { tokens, targets }: AnswerBatch,
  options: Pick<HiddenOptions, 'auxiliary' | 'checkpointing'> = {},
): Tensor {
  return withNoise(null, () => headLogProbs(model.head, model.hidden(tokens, options), targets))
}

/** (documents) f32: the sums of (T) values over each document. */
export function documentSums(values: Tensor, { host: { offsets } }: AnswerBatch['tokens']): Tensor {
  return concat(
    Array.from({ length: offsets.length - 1 }, (_, i) =>
      reshape(sum(slice(values, { start: offsets[i], end: offsets[i + 1] })), [1]),
    ),
  )
}

/** (documents) f32: log p of the whole trained part of each document. */
export function answerLogProbs(
  model: Model,
  batch: AnswerBatch,
  options: Pick<HiddenOptions, 'auxiliary' | 'checkpointing'> = {},
): Tensor {
  return documentSums(tokenLogProbs(model, batch, options), batch.tokens)
}

/** Better and worse answers, each (pairs). */
export interface PairOf<T> {
  readonly chosen: T
  readonly rejected: T
}

/** (2·pairs), better and worse in turn → both. */
export function pairOf(values: Tensor): PairOf<Tensor> {
  const pairs = values.size / 2
  const table = reshape(values, [pairs, 2])
  const column = (at: number): Tensor => reshape(slice(table, { axis: 1, start: at, end: at + 1 }), [pairs])
  return { chosen: column(0), rejected: column(1) }
}
