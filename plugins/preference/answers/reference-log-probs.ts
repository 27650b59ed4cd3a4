/**
 * Reference log-probabilities: those of the model as it was before the training. They do not change, so they are computed once, before
 * the first step, in the order of the data: a resumed run finds the same bits.
 */
import {
  type Model,
  noGrad,
  type ObjectiveStart,
  tensor,
  tensorScope,
  type Tensor,
  type TokenizedExample,
  TrituneError,
} from '../../../core/mod.ts'
import { concatenate } from '../../data/mod.ts'
import { createBatch } from '../../models/mod.ts'
import { answerLogProbs } from './answer-log-probs.ts'

/** What `createReference()` gives. */
export interface ReferenceLogProbs {
  /** (documents) of these examples, on the device of `model`. E_PLUGIN for one that was not among those of the start. */
  of(examples: readonly TokenizedExample[], model: Model): Tensor
}

/** log p of every document of some examples, by the model before the training. */
export function createReference(
  {
    model,
    microBatchSize,
    asReference,
    isRehearsal,
    remembered,
  }: Omit<ObjectiveStart, 'train' | 'validation'>,
  examples: readonly TokenizedExample[],
): ReferenceLogProbs {
  const documents = examples.map((example) => (example.documents?.length ?? 2) - 1)
  const sums = isRehearsal
    ? new Float32Array(documents.reduce((sum, count) => sum + count, 0))
    : remembered('reference', examples, () => asReference(() => sumsOf(model, examples, microBatchSize)))
  let at = 0
  const known = new Map(
    examples.map((example, i) => [example, sums.subarray(at, (at += documents[i]))] as const),
  )
  return {
    of: (some, { head }) =>
      tensor(
        some.flatMap((example) => [...foundIn(known, example)]),
        { device: head.device },
      ),
  }
}

/** (documents of all) by so many examples at once, in their order. */
function sumsOf(model: Model, examples: readonly TokenizedExample[], batchSize: number): Float32Array {
  const sums: number[] = []
  for (let start = 0; start < examples.length; start += batchSize)
    sums.push(...answerSums(model, examples.slice(start, start + batchSize)))
  return Float32Array.from(sums)
}

/** (documents) on the host: log p of the trained part of each document, without gradients. */
function answerSums(model: Model, examples: readonly TokenizedExample[]): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return answerLogProbs(model, answerBatch(examples, model)).toArray()
  })
}

/** Some examples as the model takes them, owned by the scope that is open. */
export function answerBatch(
  examples: readonly TokenizedExample[],
  { head: { device } }: Model,
): { readonly tokens: ReturnType<typeof createBatch>; readonly targets: Tensor } {
  const batch = concatenate(examples)
  return {
    tokens: createBatch(batch, device),
    targets: tensor(batch.targets, { dtype: 'i32', device }),
  }
}

/** What `prepare()` made; a loss that is asked for without it is a mistake of the caller. */
export function prepared<T>(made: T | null, objective: string): T {
  if (made !== null) return made
  throw new TrituneError('E_PLUGIN', `the objective ${objective} was not prepared`, {
    remedy: 'call prepare() before the first loss: its reference is the model before the training',
  })
}

function foundIn(
  known: ReadonlyMap<TokenizedExample, Float32Array>,
  example: TokenizedExample,
): Float32Array {
  const found = known.get(example)
  if (found) return found
  throw new TrituneError('E_PLUGIN', 'there is no reference for an example that was not there at the start', {
    place: `${example.source.file}:${example.source.line}`,
    remedy: 'give prepare() every example of the run',
  })
}
