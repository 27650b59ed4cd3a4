/**
 * The objective `kto`: Kahneman–Tversky optimization (Ethayarajh et al. 2024, arXiv 2402.01306) of answers that are each good or bad. The
 * numbers are trl's.
 *
 * How far the model has gone from the reference is estimated on prompts with answers of others: the answer before it in a group of
 * `micro_batch_size` records, as trl's sequential batches have it. The estimate is a mean over the window, so that its split into
 * micro-batches changes nothing.
 */
import {
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  mul,
  noGrad,
  type Objective,
  type ObjectiveDefinition,
  type ObjectiveStart,
  optional,
  relu,
  sigmoid,
  sub,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  type TokenizedExample,
  TrituneError,
  type Model,
  withAuxiliary,
} from '../../../core/mod.ts'
import { answerLogProbs } from '../answers/answer-log-probs.ts'
import { mismatchedAnswers } from '../answers/mismatched-answers.ts'
import {
  answerBatch,
  createReference,
  prepared,
  type ReferenceLogProbs,
} from '../answers/reference-log-probs.ts'

/** Options of `kto`. */
export interface KtoOptions {
  readonly beta: number
  /** Weight of good answers. */
  readonly desirable_weight: number
  /** Weight of bad answers. */
  readonly undesirable_weight: number
}

/** The objective `kto`: single answers with a label, good or bad; no pairs are needed. */
export const kto: ObjectiveDefinition<KtoOptions> = {
  name: 'kto',
  takes: 'labelled',
  options: defineOptions<KtoOptions>({
    beta: optional(decimal({ above: 0 }), 0.1),
    desirable_weight: optional(decimal({ min: 0 }), 1),
    undesirable_weight: optional(decimal({ min: 0 }), 1),
  }),
  create: createKto,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Prepared {
  readonly reference: ReferenceLogProbs
  /** Of each example: its prompt with the answer of another one. */
  readonly mismatched: ReadonlyMap<TokenizedExample, TokenizedExample>
  readonly batchSize: number
}

function createKto({
  beta,
  desirable_weight: desirable,
  undesirable_weight: undesirable,
}: KtoOptions): Objective {
  let made: Prepared | null = null
  let estimate: { readonly window: readonly TokenizedExample[]; readonly kl: Tensor } | null = null
  const forget = (): void => {
    estimate?.kl.dispose()
    estimate = null
  }
  return {
    name: 'kto',
    averagedOver: 'examples',
    prepare(start) {
      forget()
      made = prepareKto(start)
      return balanceNotes(start.train, desirable, undesirable)
    },
    loss(model, batch, { scale, window, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const ready = prepared(made, 'kto')
      if (estimate?.window !== window) {
        forget()
        estimate = { window, kl: divergence(model, window, ready) }
      }
      const { kl } = estimate
      const { device } = model.head
      const labels = batch.examples.map(labelOf)
      const ratios = sub(
        answerLogProbs(model, batch, { checkpointing, auxiliary }),
        ready.reference.of(batch.examples, model),
      )
      const signed = mul(
        sub(ratios, kl),
        tensor(
          labels.map((label) => (label === 1 ? beta : -beta)),
          { device },
        ),
      )
      const weights = tensor(
        labels.map((label) => (label === 1 ? desirable : undesirable)),
        { device },
      )
      const losses = mul(affine(sigmoid(signed), { scale: -1, shift: 1 }), weights)
      const result = {
        loss: affine(sum(losses), { scale }),
        log: noGrad(() => ({
          kl: affine(kl, { scale: scale * labels.length }),
          ...labelledLog(ratios, ready.reference.of(batch.examples, model), { labels, window, beta, scale }),
        })),
      }
      return withAuxiliary(result, auxiliary, labels.length * scale)
    },
    [Symbol.dispose]: forget,
  }
}

function prepareKto({ train, validation, ...start }: ObjectiveStart): Prepared {
  const labels = new Set(train.map(labelOf))
  if (labels.size === 1)
    throw new TrituneError(
      'E_DATA',
      `every answer is ${labels.has(1) ? 'good' : 'bad'} (label ${labels.has(1)}), so there is nothing to tell apart`,
      { place: 'datasets', remedy: 'give answers of both labels, or train the good ones without rl' },
    )
  const mismatched = new Map(
    [train, validation].flatMap((list) =>
      mismatchedAnswers(list, { groupSize: start.microBatchSize, longest: start.model.info.contextLength }),
    ),
  )
  const all = [...train, ...validation, ...mismatched.values()]
  return {
    reference: createReference(start, all),
    mismatched,
    batchSize: start.microBatchSize,
  }
}

/** max(0, mean of log p − log p of the reference over mismatched answers of the window), without gradients; the caller disposes it. */
function divergence(
  model: Model,
  window: readonly TokenizedExample[],
  { reference, mismatched, batchSize }: Prepared,
): Tensor {
  return noGrad(() => {
    using _scope = tensorScope()
    const others = window.map((example) => mismatched.get(example) ?? example)
    let total = tensor([0], { device: model.head.device })
    for (let start = 0; start < others.length; start += batchSize) {
      const some = others.slice(start, start + batchSize)
      const ratios = sub(answerLogProbs(model, answerBatch(some, model)), reference.of(some, model))
      total = sub(total, affine(sum(ratios), { scale: -1 / others.length }))
    }
    const kl = relu(total)
    kl.adopt(null)
    return kl
  })
}

function labelOf({ values, source }: TokenizedExample): number {
  const label = values?.label
  if (label === 0 || label === 1) return label
  throw new TrituneError('E_DATA', 'the example has no label: 1 for a good answer, 0 for a bad one', {
    place: `${source.file}:${source.line}`,
  })
}

/** Means over the answers of one label in the window; a label that has none is left out. */
function labelledLog(
  ratios: Tensor,
  reference: Tensor,
  {
    labels,
    window,
    beta,
    scale,
  }: {
    readonly labels: readonly number[]
    readonly window: readonly TokenizedExample[]
    readonly beta: number
    readonly scale: number
  },
): Record<string, Tensor> {
  const { device } = ratios
  const log: Record<string, Tensor> = {}
  for (const [name, wanted] of [
    ['chosen', 1],
    ['rejected', 0],
  ] as const) {
    const count = window.filter((example) => labelOf(example) === wanted).length
    if (count === 0) continue
    const own = tensor(
      labels.map((label) => (label === wanted ? (scale * window.length) / count : 0)),
      { device },
    )
    log[`rewards/${name}`] = affine(sum(mul(ratios, own)), { scale: beta })
    log[`logps/${name}`] = sum(mul(sub(ratios, affine(reference, { scale: -1 })), own))
  }
  const { 'rewards/chosen': chosen, 'rewards/rejected': rejected } = log
  if (chosen && rejected) log['rewards/margins'] = sub(chosen, rejected)
  return log
}

/** As trl: with unequal numbers of both labels, weights outside of eq. 8 of the paper are worth a word. */
function balanceNotes(train: readonly TokenizedExample[], desirable: number, undesirable: number): string[] {
  const good = train.filter((example) => labelOf(example) === 1).length
  const bad = train.length - good
  const ratio = (desirable * good) / Math.max(1e-12, undesirable * bad)
  if (good === bad || (ratio >= 1 && ratio <= 4 / 3)) return []
  const low = ((bad * undesirable) / good).toFixed(2)
  const high = ((bad * undesirable * 4) / (3 * good)).toFixed(2)
  return [
    `kto: ${good} good and ${bad} bad answers: with kto_undesirable_weight ${undesirable}, kto_desirable_weight is best between ${low} and ${high}`,
  ]
}
